#ifndef HOMELAB_CGITSUPPORT_H
#define HOMELAB_CGITSUPPORT_H

#include <git2.h>

/* What Swift cannot call: the variadic options function. */

/* Lets root open repositories that belong to another user; homelab opens only paths that it made or was told of. */
int homelab_git_trust_owners(void);

#endif
