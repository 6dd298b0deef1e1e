/* volume_fixture.h - the volume manager on a stage, its root directory and its client. */
#pragma once
#include "cubelet/actors.h"
#include "cubelet/memory.h"
#include "helper_peer.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/vfs.h>

#include <cmocka.h>

// ---- a root directory, the actor and its client ----

static char root[64];

/* Further fields of SETUP: "\"objects\": [...], \"tokens\": [...]"; what a test sets ends with it.
 */
static const char *extra;

/* Whether the node is joined, so that the csi-manager is asked; set before set_up. */
static bool has_csi;

/* When an event tells of a change of ownership that takes long; set before set_up. */
static int ownership_ms = 30000;

static const char NO_OBJECTS[] =
    "\"objects\": [{\"kind\": \"ConfigMap\", \"namespace\": \"n\", \"name\": \"absent\", "
    "\"found\": false},"
    "{\"kind\": \"Secret\", \"namespace\": \"n\", \"name\": \"absent\", \"found\": false}]";

typedef struct {
    stage_t *stage;
    actor_host_t *actor;
    peer_t *worker, *recorder;
} fixture_t;

static inline actor_host_t *
start_actor (stage_t *stage)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t args = node_map();
    node_set_text (tree, &args, "root_dir", root);
    node_set_int (tree, &args, "node_allocatable_memory", 64 << 20);
    node_set_bool (tree, &args, "has_csi", has_csi);
    node_set_int (tree, &args, "ownership_first_ms", ownership_ms);
    node_set_int (tree, &args, "ownership_next_ms", ownership_ms);
    return stage_actor (stage, &volume_manager_class, "volume-manager", &args);
}

static inline int
set_up (void **state)
{
    if (getuid() != 0)
        return -1;
    strcpy (root, "/tmp/test-volumes-XXXXXX");
    if (!mkdtemp (root))
        return -1;
    extra = NO_OBJECTS;
    fixture_t *self = memory_new (1, sizeof *self);
    self->stage = stage_new();
    self->recorder = stage_peer (self->stage, "event-recorder");
    self->worker = stage_peer (self->stage, "pod-worker/n_p_u1");
    self->actor = start_actor (self->stage);
    *state = self;
    return 0;
}

/* Runs a shell command in the root directory. */
static inline int
run (const char *command)
{
    OWNED (free_text) char *line = text_format ("cd %s && %s", root, command);
    return system (line);
}

static inline int
tear_down (void **state)
{
    fixture_t *self = *state;
    stage_destroy (&self->stage);
    free (self);
    // what a failed test leaves frozen, or mounted; deepest first
    run ("test ! -d disk || fsfreeze -u disk 2> /dev/null");
    run ("awk -v root=$PWD/ 'index ($5, root) == 1 { print $5 }' /proc/self/mountinfo | sort -r | "
         "xargs -r -n1 umount -l");
    return run ("cd / && rm -rf --one-file-system $OLDPWD");
}

static inline char *
in_root (const char *path)
{
    return text_format ("%s/%s", root, path);
}

static inline const char *
fault_of (const received_t *reply)
{
    return reply->envelope.fault_text ? reply->envelope.fault_text : "";
}

#define EMPTY_DIRS "pods/u1/volumes/kubernetes.io~empty-dir"

/* SETUP of a pod u1 whose container mounts all volumes of the JSON list. */
static inline received_t *
set_up_pod (fixture_t *self, const char *labels, const char *mounts, const char *volumes,
            const char *security)
{
    OWNED (free_text)
    char *json = text_format (
        "{\"pod\": {\"metadata\": {\"name\": \"p\", \"namespace\": \"n\", \"uid\": \"u1\","
        " \"labels\": %s}, \"spec\": {\"securityContext\": %s, \"containers\": [{\"name\": \"c\","
        " \"volumeMounts\": %s}], \"volumes\": %s}}, %s}",
        labels, security, mounts, volumes, extra);
    return peer_expect_reply (
        self->worker, peer_request_json (self->worker, "volume-manager", MSG_VOLUME_SETUP, json));
}

#define MOUNT_V "[{\"name\": \"v\", \"mountPath\": \"/v\"}]"

/* SETUP of one volume v; yields the fault's text, "" for none. Owned. */
static inline char *
set_up_one (fixture_t *self, const char *source)
{
    OWNED (free_text) char *volumes = text_format ("[{\"name\": \"v\", %s}]", source);
    OWNED (received_destroy)
    received_t *reply = set_up_pod (self, "{\"a\": \"1\"}", MOUNT_V, volumes, "{}");
    return text_copy (fault_of (reply));
}

static inline char *
ask_teardown (fixture_t *self, const char *uid)
{
    OWNED (free_text) char *json = text_format ("{\"pod_uid\": \"%s\"}", uid);
    OWNED (received_destroy)
    received_t *reply =
        peer_expect_reply (self->worker, peer_request_json (self->worker, "volume-manager",
                                                            MSG_VOLUME_TEARDOWN, json));
    return text_copy (fault_of (reply));
}

static inline void
assert_ok (char *fault)
{
    assert_string_equal (fault, "");
    free (fault);
}

static inline void
assert_fault (char *fault, const char *expected)
{
    assert_string_equal (fault, expected);
    free (fault);
}

/* Type and permissions of a file below the root; 0 when there is none. */
static inline mode_t
mode_of (const char *path)
{
    struct stat stat;
    OWNED (free_text) char *file = in_root (path);
    return lstat (file, &stat) < 0 ? 0 : stat.st_mode;
}

static inline bool
is_there (const char *path)
{
    return mode_of (path) != 0;
}

static inline gid_t
group_of (const char *path)
{
    struct stat stat_;
    OWNED (free_text) char *file = in_root (path);
    assert_int_equal (lstat (file, &stat_), 0);
    return stat_.st_gid;
}

static inline void
put (const char *path, const char *text)
{
    OWNED (free_text) char *file = in_root (path);
    OWNED (close_file) FILE *out = fopen (file, "we");
    assert_non_null (out);
    fputs (text, out);
}

static inline void
assert_file (const char *path, const char *text)
{
    char content[4096] = "";
    OWNED (free_text) char *file = in_root (path);
    OWNED (close_file) FILE *in = fopen (file, "re");
    assert_non_null (in);
    content[fread (content, 1, sizeof content - 1, in)] = '\0';
    assert_string_equal (content, text);
}

static inline char *
link_of (const char *path)
{
    char target[256] = "";
    OWNED (free_text) char *file = in_root (path);
    if (readlink (file, target, sizeof target - 1) < 0)
        target[0] = '\0';
    return text_copy (target);
}
