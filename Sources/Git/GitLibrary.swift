internal import CGitSupport
internal import CLibgit2

/// libgit2, started once for the process and never stopped.
enum GitLibrary {
    static let isReady: Bool = git_libgit2_init() > 0 && homelab_git_trust_owners() == 0 && homelab_git_sync_to_disk() == 0
}
