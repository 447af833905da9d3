// SPDX-License-Identifier: Apache-2.0
#include "core/run/plugin.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "core/registry.h"

struct plugin {
    struct plugin *next;
    char *path, *name, *version;
    struct queue_entry entry;
};

static struct plugin *loaded;
static const char from_file[] = "file";

bool plugin_is_path(const char *name)
{
    return strchr(name, '/') != NULL;
}

bool plugin_is_from_file(const struct queue_entry *entry)
{
    return entry->package == from_file;
}

static void plugin_delete(struct plugin *plugin)
{
    free(plugin->path);
    free(plugin->name);
    free(plugin->version);
    free(plugin);
}

// Which file it is: of two with one name, records tell them apart by this.
static int checksum(const char *path, uint32_t *crc)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return -errno;
    unsigned char bytes[4096];
    size_t count;
    uLong sum = crc32(0, NULL, 0);
    while ((count = fread(bytes, 1, sizeof bytes, file)) > 0)
        sum = crc32(sum, bytes, (uInt)count);
    const int result = ferror(file) ? -EIO : 0;
    fclose(file);
    *crc = (uint32_t)sum;
    return result;
}

// What its version number says comes first, as with another one nothing else can be read.
static const struct queue_ops *load(const char *path, struct fault *fault)
{
    void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!object) {
        fault_set(fault, -EINVAL, "the queue '%.200s' can't be loaded: %.400s", path, dlerror());
        return NULL;
    }
    const struct queue_ops *ops = dlsym(object, PLUGIN_SYMBOL);
    struct fault inner = {""};
    if (!ops)
        fault_set(fault, -EINVAL, "'%.200s' is no queue: it does not define 'const struct queue_ops " PLUGIN_SYMBOL "'",
                  path);
    else if (ops->abi_version != QUEUE_ABI_VERSION)
        fault_set(fault, -EINVAL,
                  "the queue '%.200s' was compiled for version %u of the queue contract, and this program speaks "
                  "version %u; compile it again with this program's core/queue.h",
                  path, ops->abi_version, QUEUE_ABI_VERSION);
    else if (registry_check_queue(ops, &inner) != 0)
        fault_set(fault, -EINVAL, "'%.200s' breaks the queue contract: %s", path, inner.text);
    else
        return ops;
    dlclose(object);
    return NULL;
}

static struct plugin *plugin_new(const char *path, const struct queue_ops *ops)
{
    uint32_t crc;
    struct plugin *plugin = calloc(1, sizeof *plugin);
    if (!plugin)
        return NULL;
    plugin->path = strdup(path);
    plugin->name = strdup(strrchr(path, '/') + 1);
    if (checksum(path, &crc) == 0 && asprintf(&plugin->version, "crc32 %08x", crc) < 0)
        plugin->version = NULL;
    if (!plugin->path || !plugin->name || !plugin->version) {
        plugin_delete(plugin);
        return NULL;
    }
    plugin->entry = (struct queue_entry){
        .name = plugin->name, .presets = "", .package = from_file, .version = plugin->version, .ops = ops};
    return plugin;
}

const struct queue_entry *plugin_queue(const char *path, struct fault *fault)
{
    for (struct plugin *plugin = loaded; plugin; plugin = plugin->next)
        if (strcmp(plugin->path, path) == 0)
            return &plugin->entry;
    for (const struct queue_entry *entry = queue_list; entry->name; entry++) {
        if (strcmp(entry->name, strrchr(path, '/') + 1) == 0) {
            fault_set(fault, -EINVAL, "'%.200s' is called as a queue that is listed; give the file another name", path);
            return NULL;
        }
    }
    const struct queue_ops *ops = load(path, fault);
    if (!ops)
        return NULL;
    struct plugin *plugin = plugin_new(path, ops);
    if (!plugin) {
        fault_set(fault, -ENOMEM, "no memory for the queue '%.200s', or it can't be read", path);
        return NULL;
    }
    plugin->next = loaded;
    loaded = plugin;
    return &plugin->entry;
}
