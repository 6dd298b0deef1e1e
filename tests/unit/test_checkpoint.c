/* test_checkpoint.c - the files of --offline-autonomy: their bytes, their names, who wants them;
   and the directory they lie in, with its key. */
#include "cubelet/checkpoint.h"
#include "cubelet/checkpoint_dir.h"
#include "cubelet/file_read.h"
#include "cubelet/file_write.h"
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include "cubelet/seal.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const checkpoint_t POD = { .kind = "Pod",
                                  .namespace = "ns",
                                  .name = "p",
                                  .uid = "u1",
                                  .first_ns = 5,
                                  .bytes = "\x81\xa1\x61\x01", // {"a": 1}
                                  .size = 4 };

static void
a_record_comes_back (void **state)
{
    (void) state;
    fault_t fault = { 0 };
    checkpoint_t read;
    size_t size;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    OWNED (free_text) char *file = checkpoint_file ("Pod", "ns", "p", "u1");
    OWNED (free_text) char *bytes = checkpoint_pack (&POD, &size);
    assert_int_equal (checkpoint_unpack (bytes, size, file, tree, &read, &fault), 0);
    assert_string_equal (read.kind, "Pod");
    assert_string_equal (read.namespace, "ns");
    assert_string_equal (read.name, "p");
    assert_string_equal (read.uid, "u1");
    assert_int_equal (read.first_ns, 5);
    assert_int_equal (read.size, POD.size);
    assert_memory_equal (read.bytes, POD.bytes, POD.size);
}

/* No byte can be changed, and no end cut off. */
static void
what_was_damaged_is_not_believed (void **state)
{
    (void) state;
    size_t size;
    OWNED (free_text) char *file = checkpoint_file ("Pod", "ns", "p", "u1");
    OWNED (free_text) char *bytes = checkpoint_pack (&POD, &size);
    for (size_t i = 0; i < size; i++) {
        OWNED (tree_destroy) tree_t *tree = tree_new();
        checkpoint_t read;
        fault_t fault = { 0 };
        bytes[i] ^= 1;
        if (checkpoint_unpack (bytes, size, file, tree, &read, &fault) == 0)
            fail_msg ("byte %zu", i);
        assert_int_equal (fault.code, FAULT_INVALID);
        bytes[i] ^= 1;
        assert_int_equal (checkpoint_unpack (bytes, i, file, tree, &read, &fault), -1);
    }
}

static void
a_file_under_another_name_is_not_believed (void **state)
{
    (void) state;
    fault_t fault = { 0 };
    checkpoint_t read;
    size_t size;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    OWNED (free_text) char *other = checkpoint_file ("Pod", "ns", "q", "u1");
    OWNED (free_text) char *bytes = checkpoint_pack (&POD, &size);
    assert_int_equal (checkpoint_unpack (bytes, size, other, tree, &read, &fault), -1);
    checkpoint_t secret = POD;
    secret.kind = "Secret";
    OWNED (free_text) char *plain = checkpoint_pack (&secret, &size);
    OWNED (free_text) char *name = checkpoint_file ("Secret", "ns", "p", "");
    assert_int_equal (checkpoint_unpack (plain, size, name, tree, &read, &fault), -1);
    assert_string_equal (fault.text, "Secret must be sealed");
}

static void
names_are_distinct_and_harmless (void **state)
{
    (void) state;
    OWNED (free_text) char *a = checkpoint_file ("ConfigMap", "a", "b", "");
    OWNED (free_text) char *b = checkpoint_file ("ConfigMap", "ab", "", "");
    OWNED (free_text) char *c = checkpoint_file ("Secret", "a", "b", "");
    OWNED (free_text) char *evil = checkpoint_file ("ConfigMap", "../..", "/etc", "../u");
    assert_string_not_equal (a, b);
    assert_string_not_equal (a, c);
    assert_null (strchr (evil, '/'));
    assert_null (checkpoint_file (CHECKPOINT_TOKEN, "ns", "t", "../u"));
    assert_null (checkpoint_file (CHECKPOINT_TOKEN, "ns", "t", ""));
    OWNED (free_text) char *token = checkpoint_file (CHECKPOINT_TOKEN, "ns", "t", "u-1");
    assert_int_equal (strncmp (token, "Token_u-1_", 10), 0);
}

static void
it_counts_when_the_api_server_is_away (void **state)
{
    (void) state;
    static const struct {
        int code;
        bool counts;
    } CASES[] = { { 0, true },    { 200, false }, { 401, false }, { 403, false },
                  { 404, false }, { 410, false }, { 429, true },  { 500, true },
                  { 503, true },  { 504, true },  { -1, false },  { 600, false } };
    for (size_t i = 0; i < COUNT_OF (CASES); i++)
        if (checkpoint_counts_after (CASES[i].code) != CASES[i].counts)
            fail_msg ("code %d", CASES[i].code);
}

static const char PODS[] =
    "[{\"metadata\": {\"name\": \"p\", \"namespace\": \"ns\", \"uid\": \"u1\"}, \"spec\":"
    " {\"imagePullSecrets\": [{\"name\": \"pull\"}], \"containers\": [{\"name\": \"c\"}],"
    " \"volumes\": [{\"name\": \"v\", \"configMap\": {\"name\": \"cm\"}},"
    " {\"name\": \"w\", \"persistentVolumeClaim\": {\"claimName\": \"pvc\"}}]}},"
    " {\"metadata\": {\"name\": \"odd\", \"namespace\": \"ns\"}, \"spec\": 1}]";

static void
wanted_is_what_pods_refer_to (void **state)
{
    (void) state;
    static const struct {
        const char *kind, *ns, *name, *uid;
        bool is_wanted;
    } CASES[] = {
        { "Pod", "ns", "p", "", true },
        { "Pod", "ns", "odd", "", true },
        { "Pod", "ns", "q", "", false },
        { "Pod", "other", "p", "", false },
        { "Secret", "ns", "pull", "", true },
        { "Secret", "other", "pull", "", false },
        { "Secret", "ns", "cm", "", false },
        { "ConfigMap", "ns", "cm", "", true },
        { "PersistentVolumeClaim", "ns", "pvc", "", true },
        { "Node", "", "n1", "", true },
        { CHECKPOINT_SERVICES, "", "all", "", true },
        { CHECKPOINT_RUNTIME_CLASSES, "", "all", "", true },
        { CHECKPOINT_TOKEN, "ns", "any", "u1", true },
        { CHECKPOINT_TOKEN, "ns", "any", "u2", false },
    };
    fault_t fault = { 0 };
    OWNED (tree_destroy) tree_t *pods = json_read (PODS, strlen (PODS), &fault);
    OWNED (tree_destroy) tree_t *tree = tree_new();
    assert_non_null (pods);
    node_t wanted = checkpoint_wanted (tree_root (pods), tree);
    for (size_t i = 0; i < COUNT_OF (CASES); i++) {
        OWNED (free_text)
        char *file = checkpoint_file (CASES[i].kind, CASES[i].ns, CASES[i].name, CASES[i].uid);
        OWNED (free_text) char *temporary = text_format ("%s.tmp-12", file);
        if (checkpoint_is_wanted (&wanted, file) != CASES[i].is_wanted
            || checkpoint_is_wanted (&wanted, temporary))
            fail_msg ("case %zu", i);
    }
    assert_false (checkpoint_is_wanted (&wanted, "Token_u1"));
    assert_false (checkpoint_is_wanted (&wanted, "x"));
}

// ---- on disk ----

typedef struct {
    char place[64];
    char *path, *key;
    checkpoint_dir_t *directory;
} disk_t;

static disk_t
disk_new (void)
{
    fault_t fault = { 0 };
    disk_t self = { .place = "/tmp/cubelet-checkpoint-XXXXXX" };
    assert_non_null (mkdtemp (self.place));
    self.path = text_format ("%s/offline", self.place);
    self.key = text_format ("%s/key", self.place);
    self.directory = checkpoint_dir_new (self.path, self.key, &fault);
    assert_non_null (self.directory);
    return self;
}

static void
disk_end (disk_t *self)
{
    fault_t fault = { 0 };
    checkpoint_dir_destroy (&self->directory);
    assert_int_equal (checkpoint_dir_delete (self->path, &fault), 0);
    assert_int_equal (checkpoint_dir_delete (self->path, &fault), 0); // gone already
    assert_int_not_equal (access (self->path, F_OK), 0);
    unlink (self->key);
    assert_int_equal (rmdir (self->place), 0);
    free (self->path);
    free (self->key);
}

/* {"data": "geheim"} */
static const char SECRET_BYTES[] = "\x81\xa4"
                                   "data\xa6"
                                   "geheim";

static void
put_secret (disk_t *disk, const char *name)
{
    fault_t fault = { 0 };
    checkpoint_t record = { .kind = "Secret",
                            .namespace = "ns",
                            .name = name,
                            .uid = "s1",
                            .bytes = SECRET_BYTES,
                            .size = sizeof SECRET_BYTES - 1 };
    assert_int_equal (checkpoint_dir_put (disk->directory, &record, &fault), 0);
}

static char *
path_of_secret (const disk_t *disk, const char *name)
{
    OWNED (free_text) char *file = checkpoint_file ("Secret", "ns", name, "");
    return text_format ("%s/%s", disk->path, file);
}

static void
secrets_are_sealed (void **state)
{
    (void) state;
    disk_t disk = disk_new();
    fault_t fault = { 0 };
    struct stat status;
    size_t size;
    put_secret (&disk, "s");
    OWNED (free_text) char *path = path_of_secret (&disk, "s");
    OWNED (free_text) char *bytes = file_read (path, 4096, &size, &fault);
    assert_non_null (bytes);
    assert_null (memmem (bytes, size, "geheim", 6));
    assert_int_equal (stat (path, &status), 0);
    assert_int_equal (status.st_mode & 07777, 0600);
    OWNED (tree_destroy)
    tree_t *read = checkpoint_dir_get (disk.directory, "Secret", "ns", "s", "", NULL);
    assert_string_equal (node_get_text (tree_root (read), "data", ""), "geheim");
    assert_null (checkpoint_dir_get (disk.directory, "Secret", "ns", "t", "", NULL));
    disk_end (&disk);
}

static void
another_key_opens_nothing (void **state)
{
    (void) state;
    disk_t disk = disk_new();
    fault_t fault = { 0 };
    put_secret (&disk, "s");
    assert_int_equal (checkpoint_dir_put (disk.directory, &POD, &fault), 0);
    checkpoint_dir_destroy (&disk.directory);
    unlink (disk.key);
    disk.directory = checkpoint_dir_new (disk.path, disk.key, &fault);
    assert_null (checkpoint_dir_get (disk.directory, "Secret", "ns", "s", "", NULL));
    OWNED (tree_destroy)
    tree_t *pod = checkpoint_dir_get (disk.directory, "Pod", "ns", "p", "", NULL);
    assert_non_null (pod);
    disk_end (&disk);
}

static void
the_key_is_of_its_owner_alone (void **state)
{
    (void) state;
    disk_t disk = disk_new();
    fault_t fault = { 0 };
    seal_key_t first, second;
    struct stat status;
    assert_int_equal (stat (disk.key, &status), 0);
    assert_int_equal (status.st_mode & 07777, 0600);
    assert_int_equal (status.st_size, SEAL_KEY_BYTES);
    assert_int_equal (seal_key_read (disk.key, &first, &fault), 0);
    assert_int_equal (seal_key_read (disk.key, &second, &fault), 0);
    assert_memory_equal (&first, &second, sizeof first);
    for (mode_t mode = 0; mode < 8; mode++)
        for (mode_t shift = 0; shift <= 3; shift += 3) {
            fault = (fault_t){ 0 };
            assert_int_equal (chmod (disk.key, 0600 | (mode << shift)), 0);
            int rc = seal_key_read (disk.key, &second, &fault);
            assert_int_equal (rc, mode ? -1 : 0);
            assert_true (!mode || fault.code == FAULT_DENIED);
        }
    assert_int_equal (chmod (disk.key, 0600), 0);
    assert_int_equal (truncate (disk.key, 31), 0);
    assert_int_equal (seal_key_read (disk.key, &second, &fault), -1);
    unlink (disk.key);
    assert_int_equal (symlink ("/dev/zero", disk.key), 0);
    assert_int_equal (seal_key_read (disk.key, &second, &fault), -1);
    disk_end (&disk);
}

static void
the_directory_is_ours_alone_and_free_of_unfinished_files (void **state)
{
    (void) state;
    disk_t disk = disk_new();
    fault_t fault = { 0 };
    struct stat status;
    OWNED (free_text) char *unfinished = text_format ("%s/Pod_1.tmp-%d", disk.path, (int) getpid());
    put_secret (&disk, "s");
    assert_int_equal (file_write (unfinished, "x", 1, 0600, &fault), 0);
    assert_int_equal (chmod (disk.path, 0755), 0);
    checkpoint_dir_destroy (&disk.directory);
    disk.directory = checkpoint_dir_new (disk.path, disk.key, &fault);
    assert_non_null (disk.directory);
    assert_int_equal (stat (disk.path, &status), 0);
    assert_int_equal (status.st_mode & 07777, 0700);
    checkpoint_dir_tidy (disk.directory);
    OWNED (zlistx_destroy) zlistx_t *files = checkpoint_dir_files (disk.directory, NULL);
    assert_int_equal (zlistx_size (files), 1);
    // what is found under another name is not followed
    OWNED (free_text) char *link = text_format ("%s-link", disk.path);
    assert_int_equal (symlink (disk.path, link), 0);
    assert_null (checkpoint_dir_new (link, disk.key, &fault));
    unlink (link);
    disk_end (&disk);
}

static void
a_seal_is_bound (void **state)
{
    (void) state;
    fault_t fault = { 0 };
    seal_key_t key = { { 1, 2, 3 } };
    size_t size;
    OWNED (free_text) char *sealed = seal_close (&key, "Secret ns/a", "geheim", 6, &fault);
    OWNED (free_text) char *again = seal_close (&key, "Secret ns/a", "geheim", 6, &fault);
    assert_non_null (sealed);
    assert_memory_not_equal (sealed, again, 6 + SEAL_OVERHEAD); // another nonce
    OWNED (free_text)
    char *opened = seal_open (&key, "Secret ns/a", sealed, 6 + SEAL_OVERHEAD, &size, &fault);
    assert_int_equal (size, 6);
    assert_memory_equal (opened, "geheim", 6);
    assert_null (seal_open (&key, "Secret ns/b", sealed, 6 + SEAL_OVERHEAD, &size, &fault));
    assert_int_equal (fault.code, FAULT_DENIED);
    for (size_t i = 0; i < 6 + SEAL_OVERHEAD; i++) {
        assert_null (seal_open (&key, "Secret ns/a", sealed, i, &size, &fault));
        sealed[i] ^= 1;
        assert_null (seal_open (&key, "Secret ns/a", sealed, 6 + SEAL_OVERHEAD, &size, &fault));
        sealed[i] ^= 1;
    }
    OWNED (free_text) char *nothing = seal_close (&key, "", "", 0, &fault);
    OWNED (free_text) char *empty = seal_open (&key, "", nothing, SEAL_OVERHEAD, &size, &fault);
    assert_non_null (empty);
    assert_int_equal (size, 0);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_record_comes_back),
        cmocka_unit_test (what_was_damaged_is_not_believed),
        cmocka_unit_test (a_file_under_another_name_is_not_believed),
        cmocka_unit_test (names_are_distinct_and_harmless),
        cmocka_unit_test (it_counts_when_the_api_server_is_away),
        cmocka_unit_test (wanted_is_what_pods_refer_to),
        cmocka_unit_test (secrets_are_sealed),
        cmocka_unit_test (another_key_opens_nothing),
        cmocka_unit_test (the_key_is_of_its_owner_alone),
        cmocka_unit_test (the_directory_is_ours_alone_and_free_of_unfinished_files),
        cmocka_unit_test (a_seal_is_bound),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
