#include "store.h"
#include "cubelet/certificate_keys.h"
#include "cubelet/clock.h"
#include "cubelet/file_read.h"
#include "cubelet/file_write.h"
#include "cubelet/memory.h"
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PEM_MAX_BYTES (1024 * 1024)

struct certificate_store {
    char *directory, *name;
    char *current, *client, *key;
};

certificate_store_t *
store_new (const char *directory, const char *name)
{
    certificate_store_t *self = memory_new (1, sizeof *self);
    self->directory = text_copy (directory);
    self->name = text_copy (name);
    self->current = text_format ("%s/%s-current.pem", directory, name);
    self->client = text_format ("%s/kubelet-client-current.pem", directory);
    self->key = text_format ("%s/%s.key.tmp", directory, name);
    return self;
}

void
store_destroy (certificate_store_t **self_p)
{
    certificate_store_t *self = *self_p;
    if (!self)
        return;
    free (self->directory);
    free (self->name);
    free (self->current);
    free (self->client);
    free (self->key);
    free (self);
    *self_p = NULL;
}

const char *
store_current_path (const certificate_store_t *self)
{
    return self->current;
}

const char *
store_client_path (const certificate_store_t *self)
{
    return self->client;
}

char *
store_read (const certificate_store_t *self)
{
    fault_t fault = { 0 };
    return file_read (self->current, PEM_MAX_BYTES, NULL, &fault);
}

int
store_put (certificate_store_t *self, const char *pem, int64_t now_ns, fault_t *fault)
{
    char text[32];
    struct tm fields;
    time_t seconds = (time_t) (now_ns / NS_PER_S);
    strftime (text, sizeof text, "%Y-%m-%d-%H-%M-%S", gmtime_r (&seconds, &fields));
    OWNED (free_text) char *path = text_format ("%s/%s-%s.pem", self->directory, self->name, text);
    if (file_make_parents (path, 0750, fault) < 0
        || file_write (path, pem, strlen (pem), 0600, fault) < 0)
        return -1;
    if (file_link (self->current, path, fault) < 0)
        return -1;
    return file_sync_directory (path, fault); // nobody has the key a second time
}

char *
store_key (certificate_store_t *self, fault_t *fault)
{
    fault_t none = { 0 };
    OWNED (free_text) char *kept = file_read (self->key, PEM_MAX_BYTES, NULL, &none);
    OWNED (free_text) char *name = kept ? certificate_request_name (kept, "", &none) : NULL;
    if (name) // it is a key
        return STEAL (kept);
    OWNED (free_text) char *key = certificate_key_make (fault);
    if (!key || file_make_parents (self->key, 0750, fault) < 0
        || file_write (self->key, key, strlen (key), 0600, fault) < 0)
        return NULL;
    return STEAL (key);
}

void
store_drop_key (certificate_store_t *self)
{
    (void) unlink (self->key); // there may be none
}

tree_t *
store_read_kubeconfig (const char *path, kubeconfig_t *out, fault_t *fault)
{
    size_t size = 0;
    OWNED (free_text) char *bytes = file_read (path, KUBECONFIG_MAX_BYTES, &size, fault);
    return bytes ? kubeconfig_read (bytes, size, path, out, fault) : NULL;
}

int
store_write_kubeconfig (const char *path, const char *text, fault_t *fault)
{
    if (file_make_parents (path, 0755, fault) < 0)
        return -1;
    return file_write (path, text, strlen (text), 0600, fault);
}

/* Certificate and key of a kubeconfig, from the file itself or beside it. Owned; NULL for none. */
static char *
pem_of (const kubeconfig_t *config)
{
    fault_t fault = { 0 };
    OWNED (free_text)
    char *certificate = config->certificate.bytes ? text_copy (config->certificate.bytes)
                        : config->certificate_file
                            ? file_read (config->certificate_file, PEM_MAX_BYTES, NULL, &fault)
                            : NULL;
    OWNED (free_text)
    char *key = config->key.bytes  ? text_copy (config->key.bytes)
                : config->key_file ? file_read (config->key_file, PEM_MAX_BYTES, NULL, &fault)
                                   : NULL;
    return certificate && key ? text_format ("%s\n%s", certificate, key) : NULL;
}

bool
store_kubeconfig_is_valid (const char *path, int64_t now_ns)
{
    fault_t fault = { 0 };
    kubeconfig_t config;
    certificate_facts_t facts = { 0 };
    OWNED (tree_destroy) tree_t *tree = store_read_kubeconfig (path, &config, &fault);
    OWNED (free_text) char *pem = tree ? pem_of (&config) : NULL;
    return pem && certificate_inspect (pem, NULL, &facts, &fault) == 0
           && facts.not_after_ns > now_ns;
}
