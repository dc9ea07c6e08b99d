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

    /// Which signatures are wanted before a commit counts.
    package struct Verification: Hashable, Sendable {
        package enum Mode: String, Hashable, Sendable {
            case head = "HEAD"
            case tag = "Tag"
            case tagAndHead = "TagAndHEAD"
        }

        package var mode: Mode
        /// The keys of those who may sign.
        package var secret: String
    }

    /// A part of another GitRepository's tree, put into this one's.
    package struct Inclusion: Hashable, Sendable {
        /// In the same namespace.
        package var repository: String
        package var fromPath: String
        package var toPath: String
    }

    /// Who is asked for a login.
    package enum Provider: String, Hashable, Sendable {
        /// Nobody: it is in the Secret.
        case generic
        /// GitHub, by an App that the Secret names.
        case github
    }

    package var namespace: String
    package var name: String
    package var url: String
    package var reference = Reference()
    package var interval: Duration = .seconds(60)
    package var timeout: Duration = .seconds(60)
    package var provider = Provider.generic
    /// As it is written; empty where nothing is.
    package var providerName = ""
    /// A Secret in the same namespace.
    package var secret: String?
    /// A Secret in the same namespace, with the `address` of a proxy and its `username` and `password`.
    package var proxySecret: String?
    package var isSuspended = false
    /// Rules in the grammar of gitignore, added to those of the `.sourceignore` files; any rule takes the place of the default ones.
    package var ignore: String?
    package var verification: Verification?
    package var inclusions: [Inclusion] = []
    package var recursesSubmodules = false
    /// The directories that are read; all with none given.
    package var sparseDirectories: [String] = []
    /// Values that cannot be read.
    package var unreadable: [String] = []
    /// Ways to reach it that are asked for and cannot be gone.
    package var unreachable: [String] = []
    /// Credentials that are asked for of somebody who cannot be asked, or in a way that cannot be.
    package var unprovided: [String] = []
    /// Signatures that are asked for of what has none.
    package var unverifiable: [String] = []
    /// What is asked for and cannot be done: following the repository would not be what its author means.
    package var obstacles: [String] { unreadable + unreachable + unprovided + unverifiable }

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
        // The pattern of the definition takes 0s, too.
        interval = max(.seconds(1), duration("interval", spec) ?? interval)
        timeout = duration("timeout", spec) ?? timeout
        secret = spec[path: "secretRef", "name"]?.string
        isSuspended = spec["suspend"]?.bool ?? false
        ignore = spec["ignore"]?.string
        recursesSubmodules = spec["recurseSubmodules"]?.bool ?? false
        sparseDirectories = (spec["sparseCheckout"]?.array ?? []).compactMap { $0.string.map(Self.path) }
        inclusions = (spec["include"]?.array ?? []).map { include in
            let repository = include[path: "repository", "name"]?.string ?? ""
            let target = Self.path(include["toPath"]?.string ?? "")
            return Inclusion(
                repository: repository, fromPath: Self.path(include["fromPath"]?.string ?? ""), toPath: target.isEmpty ? repository : target
            )
        }
        verification = spec["verify"].map { verify in
            let mode = verify["mode"]?.string.flatMap { $0 == "head" ? .head : Verification.Mode(rawValue: $0) } ?? .head
            return Verification(mode: mode, secret: verify[path: "secretRef", "name"]?.string ?? "")
        }
        proxySecret = spec[path: "proxySecretRef", "name"]?.string
        if proxySecret != nil, url.hasPrefix("ssh://") {
            unreachable.append("spec.proxySecretRef is for https; this repository is reached over ssh")
        }
        readProvider(spec)
        if let mode = verification?.mode, mode != .head, !followsTag {
            unverifiable.append(
                "spec.verify.mode \(mode.rawValue) asks for a signed tag, and spec.ref follows none; name one in spec.ref.tag or a range in "
                    + "spec.ref.semver, or write mode: HEAD")
        }
    }

    private mutating func readProvider(_ spec: Value) {
        providerName = spec["provider"]?.string ?? ""
        guard let known = providerName.isEmpty ? .generic : Provider(rawValue: providerName) else {
            unprovided.append(
                "spec.provider \(providerName) wants credentials that only machines of that cloud are given, and none in a cupboard "
                    + "is; take it away, and put a login for reading into the Secret of spec.secretRef (there is github, too, for a "
                    + "GitHub App)")
            return
        }
        provider = known
        if spec["serviceAccountName"] != nil {
            unprovided.append("spec.serviceAccountName goes with the providers aws and azure, which are not handled; take it away")
        }
        guard provider == .github else { return }
        if secret == nil {
            unprovided.append(
                "spec.provider github needs spec.secretRef: a Secret with githubAppID, githubAppInstallationID and githubAppPrivateKey")
        }
        if !url.hasPrefix("https://"), !url.hasPrefix("http://") {
            unprovided.append("spec.provider github is for https; write spec.url as https://github.com/OWNER/REPOSITORY")
        }
    }

    private mutating func duration(_ field: String, _ spec: Value) -> Duration? {
        guard let text = spec[field]?.string else { return nil }
        let length = Duration(goText: text)
        if length == nil { unreadable.append("spec.\(field) \(text) is no duration; 10m and 1h30m are some") }
        return length
    }

    /// The URL without a login: for people.
    package var plainURL: String { RepositoryURL(url).plain }

    /// Whether the tree is another one than the commit's, or has to be signed: no other object's view of the repository will do.
    package var hasRulesOfItsOwn: Bool {
        verification != nil || !inclusions.isEmpty || recursesSubmodules || !sparseDirectories.isEmpty || ignore != nil
    }

    /// `./apps/` as `apps`; upwards leads nowhere.
    private static func path(_ text: String) -> String {
        text.split(separator: "/").filter { $0 != "." && $0 != ".." }.joined(separator: "/")
    }

    /// The branch, where a branch is followed: Flux' default is master.
    package var branch: String? {
        guard reference.tag.isEmpty, reference.semver.isEmpty, reference.name.isEmpty, reference.commit.isEmpty else { return nil }
        return reference.branch.isEmpty ? "master" : reference.branch
    }

    /// Whether it is a tag that is followed, and no commit that some tag may name besides.
    package var followsTag: Bool {
        guard reference.commit.isEmpty else { return false }
        guard reference.name.isEmpty else { return reference.name.hasPrefix("refs/tags/") }
        return !reference.semver.isEmpty || !reference.tag.isEmpty
    }

    /// What stands before the `@` of a revision; of a range of versions, until one is chosen. Empty for a commit of any branch.
    package var referenceName: String {
        guard reference.commit.isEmpty else { return reference.branch }
        return [reference.name, reference.semver, reference.tag, reference.branch].first { !$0.isEmpty } ?? "master"
    }
}
