#ifndef HOMELAB_CGITSUPPORT_H
#define HOMELAB_CGITSUPPORT_H

#include <git2.h>
#include <git2/sys/odb_backend.h>
#include <git2/sys/transport.h>
#if __has_include(<git2/sys/errors.h>)
#include <git2/sys/errors.h>
#endif

/* What Swift cannot write: calls of the variadic options function, and structs whose first member libgit2 knows. */

/* Lets root open repositories that belong to another user; homelab opens only paths that it made or was told of. */
int homelab_git_trust_owners(void);

/* Makes a power cut unable to leave references that name objects which never reached the disk. */
int homelab_git_sync_to_disk(void);

/* Lets reading an object whose file is cut off be an error: libgit2 would go on looking for its end for ever (1.5 and earlier). */
int homelab_git_guard_loose_objects(git_repository *repository);

/* How bytes get to a remote's upload-pack and back; every function gives 0, or less than 0 when it failed. */
typedef struct {
    void *context;
    /* 1: a request of its own for every round (http); 0: one stream for the whole conversation (ssh). */
    int is_stateless;
    int (*begin)(void *context, int is_listing);
    /* 0 bytes: the end. */
    int (*read)(void *context, char *buffer, size_t size, size_t *count);
    int (*write)(void *context, const char *bytes, size_t size);
} homelab_git_wire;

/* A git_transport_cb whose parameter is a homelab_git_wire, which has to outlive the remote. */
int homelab_git_transport(git_transport **out, git_remote *owner, void *wire);

#endif
