import YAML

/// What a Flux GitRepository asks for.
package struct GitRepositorySpec: Hashable, Sendable {
    /// What of the repository is followed; the later in this list wins, as in Flux.
    package struct Reference: Hashable, Sendable {
        package var branch = ""
        package var tag = ""
        package var semver = ""
        /// Any reference, `refs/pull/7/head`.
        package var name = ""
        package var commit = ""
    }

    package var namespace: String
    package var name: String
    package var url: String
    package var reference = Reference()
    package var interval: Duration = .seconds(60)
    package var timeout: Duration = .seconds(60)
    /// A Secret in the same namespace.
    package var secret: String?
    package var isSuspended = false
    /// gitignore rules that take the place of the default ones.
    package var ignore: String?
    /// What is asked for and cannot be done: following the repository would not be what its author means.
    package var obstacles: [String] = []

    package init(namespace: String, name: String, url: String, branch: String = "") {
        self.namespace = namespace
        self.name = name
        self.url = url
        reference.branch = branch
    }

    package init(of object: Manifest) {
        let spec = object.value["spec"] ?? .null
        self.init(namespace: object.namespace, name: object.name, url: spec["url"]?.string ?? "")
        func text(_ field: String) -> String { spec[path: "ref", field]?.string ?? "" }
        reference = Reference(
            branch: text("branch"), tag: text("tag"), semver: text("semver"), name: text("name"), commit: text("commit"))
        interval = spec["interval"]?.string.flatMap { Duration(goText: $0) } ?? interval
        timeout = spec["timeout"]?.string.flatMap { Duration(goText: $0) } ?? timeout
        secret = spec[path: "secretRef", "name"]?.string
        isSuspended = spec["suspend"]?.bool ?? false
        ignore = spec["ignore"]?.string
        for field in ["verify", "include", "proxySecretRef"] where spec[field] != nil {
            obstacles.append("spec.\(field) is not handled yet")
        }
        if spec["recurseSubmodules"]?.bool == true { obstacles.append("spec.recurseSubmodules is not handled yet") }
    }

    /// The branch, where a branch is followed: Flux' default is master.
    package var branch: String? {
        guard reference.tag.isEmpty, reference.semver.isEmpty, reference.name.isEmpty, reference.commit.isEmpty else { return nil }
        return reference.branch.isEmpty ? "master" : reference.branch
    }

    /// What stands before the `@` of a revision.
    package var referenceName: String {
        for text in [reference.commit.isEmpty ? "" : reference.branch, reference.name, reference.semver, reference.tag, reference.branch]
        where !text.isEmpty { return text }
        return reference.commit.isEmpty ? "master" : "HEAD"
    }
}
