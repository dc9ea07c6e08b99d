#include "CGitSupport.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

/* An object store in front of the others that holds nothing: it looks at an object's own file before libgit2 does. */
typedef struct {
    git_odb_backend parent;
    char objects[];
} loose_guard;

static int ends_as_it_should(const unsigned char *bytes, size_t size)
{
    unsigned char scratch[16384];
    z_stream stream = {.next_in = (unsigned char *)bytes, .avail_in = (uInt)size};
    int result;

    if (inflateInit(&stream) != Z_OK)
        return 0;
    do {
        stream.next_out = scratch;
        stream.avail_out = sizeof(scratch);
        result = inflate(&stream, Z_NO_FLUSH);
    } while (result == Z_OK);
    inflateEnd(&stream);
    return result == Z_STREAM_END;
}

/* GIT_PASSTHROUGH: no file of this object, or a whole one, for the stores behind to read. */
static int look(const loose_guard *guard, const git_oid *id)
{
    char hex[GIT_OID_HEXSZ + 1];
    char path[4096];
    char message[4300];
    struct stat status;
    int file, is_whole = 0;
    void *bytes;

    git_oid_tostr(hex, sizeof(hex), id);
    if (snprintf(path, sizeof(path), "%s/%.2s/%s", guard->objects, hex, hex + 2) >= (int)sizeof(path))
        return GIT_PASSTHROUGH;
    file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return GIT_PASSTHROUGH;
    if (fstat(file, &status) == 0 && status.st_size > 0 && (uInt)status.st_size == status.st_size) {
        bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, file, 0);
        if (bytes != MAP_FAILED) {
            is_whole = ends_as_it_should(bytes, (size_t)status.st_size);
            munmap(bytes, (size_t)status.st_size);
        }
    }
    close(file);
    if (is_whole)
        return GIT_PASSTHROUGH;
    snprintf(message, sizeof(message), "the object file %s is damaged or cut off", path);
    git_error_set_str(GIT_ERROR_ODB, message);
    return GIT_ERROR;
}

static int guarded_read(void **data, size_t *size, git_object_t *type, git_odb_backend *backend, const git_oid *id)
{
    (void)data, (void)size, (void)type;
    return look((const loose_guard *)backend, id);
}

static int guarded_header(size_t *size, git_object_t *type, git_odb_backend *backend, const git_oid *id)
{
    (void)size, (void)type;
    return look((const loose_guard *)backend, id);
}

/* The one function that libgit2 calls without looking whether it is there. */
static int holds_nothing(git_odb_backend *backend, git_odb_foreach_cb each, void *payload)
{
    (void)backend, (void)each, (void)payload;
    return 0;
}

int homelab_git_guard_loose_objects(git_repository *repository)
{
    const char *path = git_repository_commondir(repository);
    size_t size = strlen(path) + sizeof("objects");
    loose_guard *guard = calloc(1, sizeof(*guard) + size);
    git_odb *store;
    int error;

    if (!guard)
        return GIT_ERROR;
    snprintf(guard->objects, size, "%sobjects", path);
    if ((error = git_odb_init_backend(&guard->parent, GIT_ODB_BACKEND_VERSION)) < 0 ||
        (error = git_repository_odb(&store, repository)) < 0) {
        free(guard);
        return error;
    }
    guard->parent.read = guarded_read;
    guard->parent.read_header = guarded_header;
    guard->parent.foreach = holds_nothing;
    guard->parent.free = (void (*)(git_odb_backend *))free;
    /* libgit2's own have 1 and 2. */
    if ((error = git_odb_add_backend(store, &guard->parent, 100)) < 0)
        free(guard);
    git_odb_free(store);
    return error;
}
