#include <errno.h>
#include <libssh2.h>
#include <libssh2_publickey.h>
#include <libssh2_sftp.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <netinet/tcp.h>

/* What a session's socket has carried: seen silence is the only sign of a dead peer behind a relay, and the first bytes hold the
   server's offer in the clear, which libssh2 does not show when nothing in it suits. */
typedef struct {
    uint64_t received;
    uint64_t sent;
    size_t heard_count;
    unsigned char heard[4096];
    void *prompter;
} homelab_ssh_traffic;

static ssize_t homelab_ssh_receive(libssh2_socket_t socket, void *buffer, size_t length, int flags, void **abstract) {
    ssize_t count = recv(socket, buffer, length, flags | MSG_NOSIGNAL);
    homelab_ssh_traffic *traffic = (homelab_ssh_traffic *)*abstract;
    if (count < 0) return errno == EWOULDBLOCK || errno == EINTR ? -EAGAIN : -errno;
    if (traffic != NULL && count > 0) {
        size_t room = sizeof traffic->heard - traffic->heard_count;
        size_t kept = (size_t)count < room ? (size_t)count : room;
        memcpy(traffic->heard + traffic->heard_count, buffer, kept);
        traffic->heard_count += kept;
        traffic->received += (uint64_t)count;
    }
    return count;
}

static ssize_t homelab_ssh_send(libssh2_socket_t socket, const void *buffer, size_t length, int flags, void **abstract) {
    ssize_t count = send(socket, buffer, length, flags | MSG_NOSIGNAL);
    homelab_ssh_traffic *traffic = (homelab_ssh_traffic *)*abstract;
    if (count < 0) return errno == EWOULDBLOCK || errno == EINTR ? -EAGAIN : -errno;
    if (traffic != NULL) traffic->sent += (uint64_t)count;
    return count;
}

/* libssh2_session_callback_set is the only spelling both 1.10 and 1.11 have; 1.11 calls it deprecated. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
static inline void homelab_ssh_count_traffic(LIBSSH2_SESSION *session) {
    libssh2_session_callback_set(session, LIBSSH2_CALLBACK_RECV, (void *)homelab_ssh_receive);
    libssh2_session_callback_set(session, LIBSSH2_CALLBACK_SEND, (void *)homelab_ssh_send);
}
#pragma GCC diagnostic pop

/* Bytes handed to the kernel that the other side has not acknowledged; ioctl is variadic, so Swift cannot call it. */
static inline int homelab_ssh_unsent(int socket) {
    int count = 0;
    return ioctl(socket, TIOCOUTQ, &count) == 0 ? count : 0;
}
