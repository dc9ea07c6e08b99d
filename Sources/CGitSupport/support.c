#include "CGitSupport.h"

int homelab_git_trust_owners(void)
{
    return git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 0);
}

int homelab_git_sync_to_disk(void)
{
    return git_libgit2_opts(GIT_OPT_ENABLE_FSYNC_GITDIR, 1);
}
