/* command.h - runs a program and collects its standard output, on an actor's loop: credential
   plugins. Belongs to the actor's thread; never blocks. */
#pragma once
#include "cubelet/actor.h"
#include "cubelet/fault.h"
#include <stddef.h>
#include <stdint.h>

typedef struct command command_t;

/* The end, exactly once: the output of a program that exited with 0, or a fault ("FILE: exit status
   1: LAST LINE OF ITS STANDARD ERROR"; FAULT_DEADLINE, FAULT_EXHAUSTED for too much output).
   `output` has a NUL behind it and is borrowed for the call. The command is freed afterwards: do
   not destroy it any more. */
typedef void command_done_fn (void *context, const char *output, size_t size, const fault_t *fault);

typedef struct {
    const char *file;               // a path, or a name to find in PATH
    const char *const *arguments;   // without the program's own name; ends with NULL; or NULL
    const char *const *environment; // "NAME=VALUE" that come to, or replace, the agent's; or NULL
    const char *input;        // of its standard input, written at once: at most 64 KiB; or NULL
    int64_t timeout_ms;       // it is killed then, with its children; whether it dies or not
    size_t output_limit;      // bytes
    command_done_fn *on_done; // not called from within command_start
    void *context;
} command_options_t;

/* Starts the program. Everything but the context is copied. Returns a handle for command_destroy,
   or NULL with a fault (FAULT_NOT_FOUND, FAULT_UNAVAILABLE); on_done is not called then. */
command_t *command_start (actor_t *actor, const command_options_t *options, fault_t *fault);

/* Kills the program and forgets it, without waiting for its death: on_done is not called any more.
   Sets *self_p to NULL; does nothing if it is NULL already. */
void command_destroy (command_t **self_p);
