#include "cubelet/crowd.h"
#include "cubelet/memory.h"
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define IPV4 ((uint64_t) 1 << 32) // no network of IPv6 that is in use begins so

uint64_t
crowd_place (const struct sockaddr *address)
{
    const struct sockaddr_in *four = (const struct sockaddr_in *) address;
    const struct sockaddr_in6 *six = (const struct sockaddr_in6 *) address;
    uint32_t host = 0;
    uint64_t network = 0;
    if (!address)
        return 0;
    if (address->sa_family == AF_INET)
        return IPV4 | ntohl (four->sin_addr.s_addr);
    if (address->sa_family != AF_INET6)
        return 0;
    if (IN6_IS_ADDR_V4MAPPED (&six->sin6_addr)) {
        memcpy (&host, six->sin6_addr.s6_addr + 12, sizeof host);
        return IPV4 | ntohl (host);
    }
    for (size_t i = 0; i < sizeof network; i++)
        network = network << 8 | six->sin6_addr.s6_addr[i];
    return network;
}

/* By place, in each by who goes first. */
static int
compare (const void *a, const void *b)
{
    const crowd_member_t *one = *(const crowd_member_t *const *) a;
    const crowd_member_t *other = *(const crowd_member_t *const *) b;
    if (one->place != other->place)
        return one->place < other->place ? -1 : 1;
    if (one->is_silent != other->is_silent)
        return one->is_silent ? -1 : 1;
    if (one->is_proven != other->is_proven)
        return one->is_proven ? 1 : -1;
    return (one->since_ms > other->since_ms) - (one->since_ms < other->since_ms);
}

static bool
counts (const crowd_member_t *member, bool only_unproven)
{
    return !member->is_proven || (member->is_silent && !only_unproven);
}

/* Whether it is a better choice than the best one so far, of a place with as many members. */
static bool
goes_before (const crowd_member_t *member, const crowd_member_t *best)
{
    return member->is_silent && (!best->is_silent || member->since_ms < best->since_ms);
}

ptrdiff_t
crowd_choose (const crowd_member_t *members, size_t count, bool only_unproven)
{
    const crowd_member_t **sorted = memory_new (count + 1, sizeof *sorted);
    size_t counted = 0, most = 0;
    const crowd_member_t *chosen = NULL;
    for (size_t i = 0; i < count; i++)
        if (counts (&members[i], only_unproven))
            sorted[counted++] = &members[i];
    qsort (sorted, counted, sizeof *sorted, compare);
    for (size_t first = 0, next = 0; first < counted; first = next) {
        while (next < counted && sorted[next]->place == sorted[first]->place)
            next++;
        if (next - first > most || (next - first == most && goes_before (sorted[first], chosen))) {
            most = next - first;
            chosen = sorted[first];
        }
    }
    free (sorted);
    return chosen && chosen->is_silent ? chosen - members : -1;
}
