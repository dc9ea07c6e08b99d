#include "CGitSupport.h"

#include <stdlib.h>

typedef struct {
    git_smart_subtransport base;
    const homelab_git_wire *wire;
    /* The stream of a stateful conversation: listing and fetch go over the same one. */
    git_smart_subtransport_stream *stream;
} subtransport;

static const homelab_git_wire *wire_of(git_smart_subtransport_stream *stream)
{
    return ((subtransport *)stream->subtransport)->wire;
}

static int stream_read(git_smart_subtransport_stream *stream, char *buffer, size_t size, size_t *count)
{
    const homelab_git_wire *wire = wire_of(stream);
    *count = 0;
    return wire->read(wire->context, buffer, size, count);
}

static int stream_write(git_smart_subtransport_stream *stream, const char *bytes, size_t size)
{
    const homelab_git_wire *wire = wire_of(stream);
    return wire->write(wire->context, bytes, size);
}

static void stream_free(git_smart_subtransport_stream *stream)
{
    subtransport *owner = (subtransport *)stream->subtransport;
    if (owner->stream == stream)
        owner->stream = NULL;
    free(stream);
}

static int action(git_smart_subtransport_stream **out, git_smart_subtransport *base, const char *url, git_smart_service_t service)
{
    subtransport *self = (subtransport *)base;
    git_smart_subtransport_stream *stream;
    int code;
    (void)url;
    *out = NULL;
    if (service != GIT_SERVICE_UPLOADPACK_LS && service != GIT_SERVICE_UPLOADPACK)
        return -1;
    if (!self->wire->is_stateless && self->stream) {
        *out = self->stream;
        return 0;
    }
    code = self->wire->begin(self->wire->context, service == GIT_SERVICE_UPLOADPACK_LS);
    if (code < 0)
        return code;
    stream = calloc(1, sizeof(*stream));
    if (!stream)
        return -1;
    stream->subtransport = base;
    stream->read = stream_read;
    stream->write = stream_write;
    stream->free = stream_free;
    self->stream = stream;
    *out = stream;
    return 0;
}

/* libgit2 closes before it begins, too: who owns the wire ends it. */
static int subtransport_close(git_smart_subtransport *base)
{
    (void)base;
    return 0;
}

static void subtransport_free(git_smart_subtransport *base)
{
    free(base);
}

static int make(git_smart_subtransport **out, git_transport *owner, void *wire)
{
    subtransport *self = calloc(1, sizeof(*self));
    (void)owner;
    if (!self)
        return -1;
    self->base.action = action;
    self->base.close = subtransport_close;
    self->base.free = subtransport_free;
    self->wire = wire;
    *out = &self->base;
    return 0;
}

int homelab_git_transport(git_transport **out, git_remote *owner, void *wire)
{
    git_smart_subtransport_definition definition = {make, 0, NULL};
    definition.rpc = (unsigned)((const homelab_git_wire *)wire)->is_stateless;
    definition.param = wire;
    return git_transport_smart(out, owner, &definition);
}
