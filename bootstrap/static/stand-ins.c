/* What the static libraries call and a node may not have. */

#include <stdint.h>
#include <sys/random.h>

/* Debian's libgit2.a calls Kerberos (GSSAPI), which has no static library. The shipped binary answers these calls with
   "unavailable" (RFC 2744, GSS_S_UNAVAILABLE), so that it needs no Kerberos on the node; our transports never log in by it. */
#define UNAVAILABLE (16u << 16)

__attribute__((weak)) void *GSS_C_NT_HOSTBASED_SERVICE = 0;
__attribute__((weak)) unsigned gss_delete_sec_context(void) { return UNAVAILABLE; }
__attribute__((weak)) unsigned gss_display_status(void) { return UNAVAILABLE; }
__attribute__((weak)) unsigned gss_import_name(void) { return UNAVAILABLE; }
__attribute__((weak)) unsigned gss_indicate_mechs(void) { return UNAVAILABLE; }
__attribute__((weak)) unsigned gss_init_sec_context(void) { return UNAVAILABLE; }
__attribute__((weak)) unsigned gss_release_buffer(void) { return UNAVAILABLE; }
__attribute__((weak)) unsigned gss_release_name(void) { return UNAVAILABLE; }
__attribute__((weak)) unsigned gss_release_oid_set(void) { return UNAVAILABLE; }
__attribute__((weak)) unsigned gss_test_oid_set_member(void) { return UNAVAILABLE; }

/* Debian's libstdc++.a takes random numbers from arc4random, which glibc has only since 2.36. */
uint32_t arc4random(void) {
    uint32_t number;
    while (getrandom(&number, sizeof number, 0) != sizeof number) continue;
    return number;
}
