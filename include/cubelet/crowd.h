/* crowd.h - which of a port's connections makes room when all its places are taken. A client that
   opens many and sends nothing takes places from itself, not from others. The rule is our own:
   upstream has no limit on connections. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

typedef struct {
    uint64_t place;   // where it comes from: crowd_place
    int64_t since_ms; // of its start, or of its last answer
    bool is_silent;   // nothing has come for a while, nothing is being answered: it may go
    bool is_proven;   // its client has shown that it may use the port
} crowd_member_t;

/* Connections of one place count together: an IPv4 address, an IPv6 network of 64 bits (which is
   what one host has), or the machine itself (any other family, and NULL). */
uint64_t crowd_place (const struct sockaddr *address);

/* The index of the member that has to go, or -1 when none may be asked to. The place that has most
   gives one of its silent members: unproven before proven, the oldest first. Counted are unproven
   members and silent ones; with `only_unproven` no proven one counts or goes. */
ptrdiff_t crowd_choose (const crowd_member_t *members, size_t count, bool only_unproven);
