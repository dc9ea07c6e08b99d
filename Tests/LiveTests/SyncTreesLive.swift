import Cryptography
import Foundation
import HomelabTestSupport
import KubernetesModel
import Reconciliation
import Testing
import YAML

/// Which commit of a GitRepository counts, which files of it, and what wakes it.
@Suite(.serialized, .enabled(if: Lab.isAvailable, Lab.reason))
struct SyncTreesLive {
    let bed: SyncBed
    let host: GitHost
    let root: String

    init() throws {
        bed = try SyncBed.shared.get()
        host = try GitHost()
        root = try host.serve()
        try bed.startAgent()
    }

    private func repository(_ name: String, _ reference: String, more: String = "", path: String = "app") -> FollowedRepository {
        FollowedRepository(name: name, url: root + "/open/home.git", reference: reference, more: more, path: path)
    }

    @discardableResult
    private func push(_ title: String, to reference: String) throws -> String {
        let commit = try host.push(["app/a.yaml": SyncFiles.config("read", title)])
        if reference != "main" { try GitHost.git("-C", host.work, "push", "--quiet", "--force", host.bare, "HEAD:\(reference)") }
        return commit
    }

    private func awaitApplied(_ name: String, _ commit: String, _ title: String) async throws {
        try await bed.awaitUnit(name, at: commit)
        #expect(try await bed.title("\(name)-read") == title, "\(name)")
    }

    @Test func t01_branchTagVersionCommitAndName() async throws {
        let first = try push("first", to: "main")
        try host.tag("v1.0.0", message: "a release")
        let second = try push("second", to: "refs/heads/next")
        try host.tag("v1.1.0")
        let third = try push("third", to: "refs/pull/7/head")
        try host.tag("v2.0.0-rc.1")
        let last = try push("last", to: "main")
        try await bed.follow([
            repository("ref-branch", "{branch: main}"), repository("ref-other", "{branch: next}"),
            repository("ref-tag", "{tag: v1.0.0}"), repository("ref-versions", "{semver: \">=1.0.0 <2.0.0\"}"),
            repository("ref-commit", "{branch: main, commit: \"\(second)\"}"), repository("ref-name", "{name: refs/pull/7/head}"),
            repository("ref-any", "{commit: \"\(second)\"}"),
            repository("ref-none", "{branch: none}"), repository("ref-no-version", "{semver: \">=3.0.0\"}"),
            repository("ref-no-commit", "{branch: main, commit: \"\(String(repeating: "1", count: 40))\"}"),
        ])
        let applied = [
            ("ref-branch", last, "last"), ("ref-other", second, "second"), ("ref-tag", first, "first"), ("ref-versions", second, "second"),
            ("ref-commit", second, "second"), ("ref-any", second, "second"), ("ref-name", third, "third"),
        ]
        for (name, commit, title) in applied { try await awaitApplied(name, commit, title) }
        let revisions = [
            "ref-branch": "main@sha1:\(last)", "ref-versions": "v1.1.0@sha1:\(second)", "ref-any": "sha1:\(second)",
            "ref-name": "refs/pull/7/head@sha1:\(third)",
        ]
        for (name, revision) in revisions { #expect(try await bed.unit(name)?.status.lastAppliedRevision == revision) }
        try await bed.awaitTrouble("ref-none", ["the repository has no none yet"])
        try await bed.awaitTrouble("ref-no-version", ["the repository has no >=3.0.0 yet"])
        try await bed.awaitTrouble("ref-no-commit", ["the history of refs/heads/main has no commit " + String(repeating: "1", count: 40)])
        // A new version and a moved tag count; a commit stays.
        let newest = try push("newest", to: "main")
        try host.tag("v1.2.0", message: "a release")
        try GitHost.git("-C", host.work, "tag", "--force", "v1.0.0")
        try GitHost.git("-C", host.work, "push", "--quiet", "--force", host.bare, "refs/tags/v1.0.0")
        for name in ["ref-branch", "ref-versions", "ref-tag"] { try await awaitApplied(name, newest, "newest") }
        try await awaitApplied("ref-commit", second, "second")
        // A release that is withdrawn is gone from the cluster, too.
        try GitHost.git("-C", host.bare, "update-ref", "-d", "refs/tags/v1.2.0")
        try await awaitApplied("ref-versions", second, "second")
        #expect(try await bed.unit("ref-versions")?.status.lastAppliedRevision == "v1.1.0@sha1:\(second)")
    }

    @Test func t02_submodulesDirectoriesInclusionsAndIgnoreRules() async throws {
        let library = try GitHost()
        func config(_ name: String) -> String { SyncFiles.config(name, name) }
        let pinned = try library.push(["lib.yaml": SyncFiles.config("library", "pinned")])
        try library.push(["lib.yaml": SyncFiles.config("library", "newer")])
        try GitHost.git("clone", "--quiet", "--bare", library.bare, host.folder + "/library.git")
        try FileManager.default.createDirectory(atPath: host.work + "/app/library", withIntermediateDirectories: true)
        try GitHost.git("-C", host.work, "update-index", "--add", "--cacheinfo", "160000,\(pinned),app/library")
        let commit = try host.push([
            ".gitmodules": "[submodule \"library\"]\n\tpath = app/library\n\turl = ../library.git\n", "app/a.yaml": config("app"),
            "aside/b.yaml": config("aside"), "aside/.sourceignore": "hidden.yaml\n", "aside/hidden.yaml": config("hidden"),
            "aside/c.yaml": config("put-aside"),
            // By Flux' default rules cloudbuild.yaml is none of the files.
            ".sourceignore": "/listed/\n", "listed/kustomization.yaml": "resources: [cloudbuild.yaml]\n",
            "listed/cloudbuild.yaml": config("listed"),
        ])
        // The login of the repository is that of its submodules on the same host.
        var filled = repository("tree-filled", "{branch: main}", more: "recurseSubmodules: true")
        filled.url = root + "/basic/home.git"
        filled.secret = ["username": "ada", "password": "s3cret"]
        let include = "include: [{repository: {name: tree-plain}, fromPath: aside, toPath: put/here}]"
        try await bed.follow([
            filled, repository("tree-plain", "{branch: main}", path: "."),
            repository("tree-sparse", "{branch: main}", more: "sparseCheckout: [./app]", path: "."),
            repository("tree-ignore", "{branch: main}", more: "ignore: \"/*\\n!/listed\"", path: "listed"),
            // What is put in is judged too, by rules for the place that it is put at.
            repository("tree-include", "{branch: main}", more: "ignore: \"/*\\n!/put\\n/put/here/c.yaml\"\n" + include, path: "put"),
            repository("tree-circle", "{branch: main}", more: "include: [{repository: {name: tree-circle}}]"),
            repository("tree-empty", "{branch: main}", path: "app/library"),
        ])
        let expected = [
            "tree-filled": ["app", "library"], "tree-plain": ["app", "aside", "put-aside"], "tree-sparse": ["app"],
            "tree-ignore": ["listed"], "tree-include": ["aside"],
        ]
        for (name, objects) in expected {
            try await bed.awaitUnit(name, at: commit)
            let found = try await bed.unit(name)?.status.inventory.keys.map(\.name).sorted()
            #expect(found == objects.map { "\(name)-\($0)" })
        }
        try await bed.awaitUnit("tree-empty", "False", at: commit)
        let empty = try await bed.unit("tree-empty")?.ready?.message ?? ""
        #expect(empty.contains("it is a submodule, whose files are not fetched"), "\(empty)")
        #expect(try await bed.title("tree-filled-library") == "pinned", "the commit that the tree names, not the newest")
        try await bed.awaitTrouble("tree-circle", reason: "NoArtifact", ["spec.include names the GitRepository tree-circle"])
        // A push to what is included counts, whichever of the two repositories is looked at first.
        try host.push(["aside/d.yaml": config("more")])
        try await bed.eventually("what was pushed to the included repository") { try await bed.title("tree-include-more") == "more" }
    }

    @Test func t03_commitsAndTagsThatSomebodyTrustedSigned() async throws {
        let keys = try SigningKeys()
        let line = try keys.sshKey("ann", "ed25519")
        let fingerprint = try keys.openPGPKey("Bob <bob@example.org>", "ed25519")
        func sign(_ settings: [String: String]) throws {
            for (name, value) in settings { try GitHost.git("-C", host.work, "config", name, value) }
        }
        let (ann, bob) = (
            ["gpg.format": "ssh", "user.signingkey": keys.folder + "/ann"], ["gpg.format": "openpgp", "user.signingkey": fingerprint]
        )
        try sign(["gpg.program": keys.gpg, "commit.gpgsign": "true", "tag.gpgsign": "true"])
        try await bed.putSecret("signers-ssh", ["ann.sshpub": line])
        try await bed.putSecret("signers-list", ["allowed_signers": "ann@example.org namespaces=\"git\" \(line)\n"])
        try await bed.putSecret("signers-openpgp", ["bob.asc": try keys.export(fingerprint)])
        func signed(_ name: String, _ reference: String, _ mode: String, _ secret: String) -> FollowedRepository {
            repository(name, reference, more: "verify: {mode: \(mode), secretRef: {name: \(secret)}}")
        }
        try sign(ann)
        let first = try push("ann", to: "main")
        try host.tag("v1.0.0", message: "a release")
        try await bed.follow([
            signed("sign-ssh", "{branch: main}", "HEAD", "signers-ssh"), signed("sign-list", "{branch: main}", "HEAD", "signers-list"),
            signed("sign-openpgp", "{branch: main}", "HEAD", "signers-openpgp"),
            signed("sign-tag", "{semver: \"1.x\"}", "Tag", "signers-ssh"),
            signed("sign-both", "{semver: \"1.x\"}", "TagAndHEAD", "signers-ssh"),
            signed("sign-nobody", "{branch: main}", "HEAD", "signers-none"),
        ])
        for name in ["sign-ssh", "sign-list", "sign-tag", "sign-both"] {
            try await awaitApplied(name, first, "ann")
            try await bed.eventually("word of whose signature counts in \(name)") {
                guard let verified = try await bed.repository(name)["SourceVerified"] else { return false }
                return verified.status == "True" && verified.message.contains("verified signature of")
            }
        }
        let reason = "InvalidCommitSignature"
        try await bed.awaitTrouble("sign-openpgp", reason: reason, ["commit \(first) is not believed", "sign the commit with a key that"])
        try await bed.awaitTrouble("sign-nobody", reason: "VerificationError", ["Secret/default/signers-none"])
        for name in ["sign-openpgp", "sign-nobody"] { #expect(try await bed.configMap("\(name)-read") == nil) }
        try sign(bob)
        let second = try push("bob", to: "main")
        try await awaitApplied("sign-openpgp", second, "bob")
        try await bed.awaitTrouble("sign-ssh", reason: reason, ["commit \(second) is not believed"])
        // A commit of nobody, with a tag of Ann's: enough for whom the tag alone is asked.
        try sign(["commit.gpgsign": "false"].merging(ann) { $1 })
        let third = try push("nobody", to: "main")
        try host.tag("v1.1.0", message: "a release")
        try await awaitApplied("sign-tag", third, "nobody")
        for name in ["sign-ssh", "sign-list", "sign-openpgp", "sign-both"] {
            try await bed.awaitTrouble(name, reason: reason, ["commit \(third) is not believed"])
        }
        try sign(["tag.gpgsign": "false"])
        try push("nobody again", to: "main")
        try host.tag("v1.2.0", message: "a release")
        try await bed.awaitTrouble("sign-tag", reason: "InvalidGitObject", ["tag", "is not believed"])
        for (name, title) in [("sign-ssh", "ann"), ("sign-openpgp", "bob"), ("sign-tag", "nobody"), ("sign-both", "ann")] {
            #expect(try await bed.title("\(name)-read") == title, "\(name): the last that was believed stays")
        }
        // One more whom the Secret names.
        try await bed.putSecret("signers-none", ["ann.sshpub": line])
        try sign(["commit.gpgsign": "true"])
        let last = try push("ann again", to: "main")
        for name in ["sign-nobody", "sign-ssh", "sign-list"] { try await awaitApplied(name, last, "ann again") }
    }

    @Test func t04_webhooksOfEveryKindOfHost() async throws {
        let token = "t0k3n"
        func code(_ body: String) -> String { Hex.encode(HMACSHA256.code(for: Array(body.utf8), key: Array(token.utf8))) }
        let body = #"{"ref": "refs/heads/main"}"#
        let hosts: [(name: String, type: String, right: [String], wrong: [String])] = [
            ("github", "github", ["X-GitHub-Event: push", "X-Hub-Signature-256: sha256=\(code(body))"], ["X-GitHub-Event: push"]),
            ("gitea", "github", ["X-Gitea-Event: push", "X-Gitea-Signature: \(code(body))"], ["X-Gitea-Signature: \(code("{}"))"]),
            ("forgejo", "github", ["X-Gitea-Event: push", "X-Forgejo-Signature: \(code(body))"], ["X-Forgejo-Signature: \(code("{}"))"]),
            ("gitlab", "gitlab", ["X-Gitlab-Event: push", "X-Gitlab-Token: \(token)"], ["X-Gitlab-Event: push", "X-Gitlab-Token: other"]),
            ("bitbucket", "bitbucket", ["X-Event-Key: push", "X-Hub-Signature: sha256=\(code(body))"], ["X-Event-Key: push"]),
            ("generic-hmac", "generic-hmac", ["X-Signature: sha256=\(code(body))"], ["X-Signature: sha256=\(code("{}"))"]),
            ("generic", "generic", [], []),
        ]
        try await bed.putSecret("hook-token", ["token": token])
        var repository = repository("hooked", "{branch: main}")
        repository.interval = "1h"
        var commit = try push("0", to: "main")
        try await bed.follow([repository])
        try bed.apply(
            hosts.map { host in
                """
                apiVersion: notification.toolkit.fluxcd.io/v1
                kind: Receiver
                metadata: {name: hook-\(host.name), namespace: default}
                spec:
                  type: \(host.type)
                  events: [push]
                  secretRef: {name: hook-token}
                  resources: [{kind: GitRepository, name: hooked}]

                """
            }.joined(separator: "---\n"))
        defer { _ = try? bed.kubectl("delete", "receivers", "--all") }
        func post(_ path: String, _ headers: [String]) throws -> String {
            let options = headers.flatMap { ["-H", $0] } + ["-d", body, "http://127.0.0.1:\(bed.port + 10)\(path)"]
            return try Shell.run(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}"] + options, limit: 20).output
        }
        try await awaitApplied("hooked", commit, "0")
        for (index, host) in hosts.enumerated() {
            var path = ""
            try await bed.eventually("the path of \(host.name)") {
                path = try bed.kubectl("get", "receiver", "hook-\(host.name)", "-o", "jsonpath={.status.webhookPath}").output
                return path.count == 70
            }
            commit = try push("\(index + 1)", to: "main")
            if !host.wrong.isEmpty { #expect(try post(path, host.wrong) == "400", "\(host.name)") }
            #expect(try await bed.title("hooked-read") == "\(index)")
            #expect(try post(path, host.right) == "200", "\(host.name)")
            try await awaitApplied("hooked", commit, "\(index + 1)")
        }
        // The agents' own address, for a host that knows nothing of Receivers.
        try (token + "\n").write(toFile: bed.folder + "/agent-0/webhook-secret", atomically: true, encoding: .utf8)
        commit = try push("last", to: "main")
        #expect(try post("/hook", hosts[0].wrong) == "401")
        #expect(try post("/hook", hosts[0].right) == "202")
        try await awaitApplied("hooked", commit, "last")
    }
    @Test func t05_aLookThatFindsNothingIsOneListing() async throws {
        try await bed.follow([repository("polled", "{branch: main}")])
        try await awaitApplied("polled", try push("one", to: "main"), "one")
        let before = host.requests.count
        try await Task.sleep(for: .seconds(4))
        let looks = host.requests.dropFirst(before)
        #expect((2...6).contains(looks.count), "one in a second, or so: \(looks)")
        #expect(looks.allSatisfy { $0.hasPrefix("GET /open/home.git/info/refs") }, "\(looks)")
        try await awaitApplied("polled", try push("two", to: "main"), "two")
        #expect(host.requests.dropFirst(before).count { $0.hasPrefix("POST") } == 1, "what is new is fetched once")
    }
}
