/* sanitizer.h - tells ThreadSanitizer what it cannot see: libzmq is not built with it, so that a
   message going from one thread to another looks like a race on the message's bytes. Every send
   releases and every receive acquires one common address, which is what libzmq's own atomics do
   for the bytes of a message. Nothing in other builds. */
#pragma once

#if defined(__SANITIZE_THREAD__)
extern char sanitizer_token;
void __tsan_acquire (void *addr);
void __tsan_release (void *addr);
#define SANITIZER_RELEASE() __tsan_release (&sanitizer_token)
#define SANITIZER_ACQUIRE() __tsan_acquire (&sanitizer_token)
#else
#define SANITIZER_RELEASE() ((void) 0)
#define SANITIZER_ACQUIRE() ((void) 0)
#endif
