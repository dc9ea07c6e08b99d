// The support module includes the same headers, and a build finds their constants in only one of the two.
internal import CGitSupport
internal import CLibgit2
internal import Glibc

/// A `git_repository`, owned once and freed with its last reference.
// @unchecked: libgit2 lets any thread use a repository as long as it is one at a time; the owner (an actor, or a server loop on one
// thread) sees to that.
final class RepositoryHandle: @unchecked Sendable {
    let pointer: OpaquePointer

    init(opening path: String) throws(GitError) {
        guard GitLibrary.isReady else { throw GitError(.other, operation: "start libgit2", message: "it cannot be initialised") }
        var repository: OpaquePointer?
        try GitError.check("open \(path)") { git_repository_open_ext(&repository, path, GIT_REPOSITORY_OPEN_NO_SEARCH.rawValue, nil) }
        guard let repository else { throw GitError(.other, operation: "open \(path)", message: "no repository") }
        pointer = repository
        try GitError.check("open \(path)") { homelab_git_guard_loose_objects(repository) }
    }

    convenience init(openingOrMaking path: String, branch: String) throws(GitError) {
        do {
            try self.init(opening: path)
        } catch  where error.kind == .notFound {
            try Self.make(path, branch: branch)
            try self.init(opening: path)
        }
    }

    deinit { git_repository_free(pointer) }

    /// Made beside its place and renamed, so that an interrupted init leaves no half repository.
    private static func make(_ path: String, branch: String) throws(GitError) {
        var options = git_repository_init_options()
        git_repository_init_options_init(&options, UInt32(GIT_REPOSITORY_INIT_OPTIONS_VERSION))
        options.flags = GIT_REPOSITORY_INIT_BARE.rawValue | GIT_REPOSITORY_INIT_MKPATH.rawValue | GIT_REPOSITORY_INIT_MKDIR.rawValue
        var made: OpaquePointer?
        let code = branch.withCString { name in
            options.initial_head = name
            return git_repository_init_ext(&made, path, &options)
        }
        git_repository_free(made)
        if code < 0 { throw GitError.last("make \(path)", code: code) }
    }

    /// The caller frees it.
    func commit(_ id: ObjectID) throws(GitError) -> OpaquePointer? {
        var commit: OpaquePointer?
        var oid = id.git
        try GitError.check("read commit \(id)") { git_commit_lookup(&commit, pointer, &oid) }
        return commit
    }

    func object(_ id: ObjectID) throws(GitError) -> StoredObject {
        var (database, object, oid): (OpaquePointer?, OpaquePointer?, git_oid) = (nil, nil, id.git)
        try GitError.check("open the objects of the repository") { git_repository_odb(&database, pointer) }
        defer { git_odb_free(database) }
        try GitError.check("read \(id)") { git_odb_read(&object, database, &oid) }
        defer { git_odb_object_free(object) }
        let bytes = Array(UnsafeRawBufferPointer(start: git_odb_object_data(object), count: git_odb_object_size(object)))
        switch git_odb_object_type(object) {
        case GIT_OBJECT_COMMIT: return .commit(bytes)
        case GIT_OBJECT_TAG: return .tag(bytes)
        default: throw GitError(.other, operation: "read \(id)", message: "it is neither a commit nor a tag")
        }
    }
}
