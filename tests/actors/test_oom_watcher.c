#include "cubelet/actors.h"
#include "cubelet/memory.h"
#include "helper_peer.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void
say (int fd, const char *record)
{
    assert_int_equal (write (fd, record, strlen (record)), strlen (record));
}

/* A pipe in place of the kernel's log; each write is one record, as the test waits in between. */
static void
only_the_machines_own_victims_are_events (void **state)
{
    (void) state;
    char place[] = "/tmp/test-kmsg-XXXXXX";
    assert_non_null (mkdtemp (place));
    OWNED (free_text) char *path = text_format ("%s/kmsg", place);
    assert_int_equal (mkfifo (path, 0600), 0);
    OWNED (close_fd) int fd = open (path, O_RDWR | O_CLOEXEC);
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t args = node_map();
    node_set_text (tree, &args, "node_name", "lab");
    node_set_text (tree, &args, "kmsg", path);
    stage_t *stage = stage_new();
    peer_t *events = stage_peer (stage, "event-recorder");
    stage_actor (stage, &oom_watcher_class, "oom-watcher", &args);
    say (fd, "6;oom-kill:constraint=CONSTRAINT_MEMCG,task_memcg=/pod,task=mine,pid=5,uid=0");
    assert_null (peer_next (events, 200));
    say (fd, "6;oom-kill:constraint=CONSTRAINT_NONE,task_memcg=/,task=hog,pid=42,uid=0");
    OWNED (received_destroy) received_t *event = peer_expect (events, MSG_EVENT_RECORD);
    assert_string_equal (node_get_text (event->body, "reason", ""), "SystemOOM");
    assert_string_equal (node_get_text (event->body, "message", ""),
                         "System OOM encountered, victim process: hog, pid: 42");
    stage_destroy (&stage);
    unlink (path);
    rmdir (place);
}

static void
without_a_log_it_stays_quiet (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t args = node_map();
    node_set_text (tree, &args, "kmsg", "/no/such/log");
    stage_t *stage = stage_new();
    stage_actor (stage, &oom_watcher_class, "oom-watcher", &args);
    stage_destroy (&stage);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (only_the_machines_own_victims_are_events),
        cmocka_unit_test (without_a_log_it_stays_quiet),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
