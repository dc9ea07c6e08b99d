import Cryptography
import Foundation
import Git
import HomelabTestSupport
import KubernetesModel
import Testing
import YAML

@testable import Reconciliation

/// Which commits of the agent's own repository are taken where its GitRepository has `spec.verify`; with commits of a real git, signed by
/// ssh-keygen.
@Suite(.serialized) struct OwnSignaturesTests {
    let host: GitHost
    let bench: UnitBench

    init() throws {
        host = try GitHost()
        var bench = UnitBench()
        bench.followed = LocalRepository(path: host.bare, branch: "main")
        self.bench = bench
        for name in ["ann", "bob"] {
            try Loopback.run("/usr/bin/ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", "\(host.folder)/\(name)"])
        }
        try GitHost.git("-C", host.work, "config", "gpg.format", "ssh")
    }

    private static let repository = ObjectKey(
        group: FluxKinds.gitRepository.group, kind: "GitRepository", namespace: "flux-system", name: "flux-system")
    private static let secret = ObjectKey(group: "", kind: "Secret", namespace: "flux-system", name: "signers")
    private static let record = ObjectKey(group: "", kind: "ConfigMap", namespace: "homelab-system", name: "homelab-inventory-home")
    private static let unit = ObjectKey(unit: Ownership(namespace: "flux-system", name: "apps"))

    /// Commits a title, signed by a person or by nobody; the new commit's id.
    private func push(_ title: String, by signer: String?, verify: String = "{mode: HEAD, secretRef: {name: signers}}") throws -> String {
        try GitHost.git("-C", host.work, "config", "user.signingkey", "\(host.folder)/\(signer ?? "ann")")
        try GitHost.git("-C", host.work, "config", "commit.gpgsign", signer == nil ? "false" : "true")
        var files = UnitsTests.bootstrappedByFlux
        let sync = "clusters/home/flux-system/gotk-sync.yaml"
        let plain = try #require(files[sync])
        if !verify.isEmpty {
            files[sync] = plain.replacingOccurrences(of: "ref: {branch: main}}", with: "ref: {branch: main}, verify: \(verify)}")
            try #require(files[sync] != plain)
        }
        files["apps/one.yaml"] = Files.config(title, name: "one", namespace: "default")
        return try host.push(files)
    }

    private func putSecret(_ data: Value) async {
        await bench.api.put(
            Manifest([
                "apiVersion": "v1", "kind": "Secret", "metadata": ["name": "signers", "namespace": "flux-system"], "data": data,
            ]))
    }

    private func putSigner(_ name: String) async throws {
        let line = try String(contentsOfFile: "\(host.folder)/\(name).pub", encoding: .utf8)
        await putSecret(["key.sshpub": .string(Base64.encode(Array(line.utf8)))])
    }

    private func condition(_ type: String) async -> FluxCondition? {
        FluxConditions(await bench.api.object(Self.repository)?.value[path: "status", "conditions"])[type]
    }

    private func title() async -> String? {
        await bench.api.object(UnitsTests.config("one"))?.value[path: "data", "title"]?.string
    }

    private func unitMessage() async -> String {
        await bench.api.object(Self.unit).map { KustomizationStatus(of: $0).conditions["Ready"]?.message ?? "" } ?? ""
    }

    private func awaitTitle(_ text: String) async throws {
        try await eventually("the title \(text)", { "\(await title() ?? "none"); \(await bench.standing())" }) { await title() == text }
    }

    private func awaitVerified(_ status: String, ready: String, _ words: String) async throws {
        try await eventually("SourceVerified \(status), Ready \(ready), \(words)", bench.standing) {
            let (verified, isReady) = (await condition("SourceVerified"), await condition("Ready"))
            return verified?.status == status && isReady?.status == ready && verified?.message.contains(words) == true
        }
    }

    @Test func `the commit that wants signatures is taken as it is, and those after it when a trusted person signed them`() async throws {
        try await putSigner("ann")
        let first = try push("one", by: nil)
        try await bench.run { source in
            try await awaitTitle("one")
            try await awaitVerified("False", ready: "True", "commit \(first) is not believed")
            #expect(await condition("Ready")?.message.contains("it was taken before that counted, and stays") == true)
            #expect(source.state.value.problem == nil)
            for signer in ["bob", nil] {
                let refused = try push(signer ?? "nobody", by: signer)
                source.wake()
                try await awaitVerified("False", ready: "False", "commit \(refused) is not believed")
                let message = await condition("Ready")?.message ?? ""
                #expect(message.contains("GitRepository flux-system/flux-system") && message.contains("`homelab suspend`"), "\(message)")
                #expect(message.contains("sign the commit with a key that the Secret of spec.verify lists"), "\(message)")
                try await eventually("the unit says so", unitMessage) {
                    await unitMessage().contains("no newer commit is taken: commit \(refused)")
                }
                try await eventually("the agent's own unit says so") {
                    await bench.report()?.source.problem == "InvalidCommitSignature"
                }
                #expect(source.state.value.commit?.id.hex == first)
            }
            await bench.api.remove(UnitsTests.config("one"))
            try await awaitTitle("one")
            let last = try push("two", by: "ann")
            source.wake()
            try await awaitTitle("two")
            try await awaitVerified("True", ready: "True", "verified signature of commit '\(last)'")
            #expect(await bench.api.object(Self.repository)?.value[path: "status", "sourceVerificationMode"] == "HEAD")
            try await eventually("the unit is content", unitMessage) { await !unitMessage().contains("no newer commit") }
        }
    }

    @Test func `after a restart nothing is taken before the GitRepositories were seen, and nothing that nobody signed`() async throws {
        try await putSigner("ann")
        let first = try push("one", by: "ann")
        try await bench.run { _ in
            try await awaitTitle("one")
            try await awaitVerified("True", ready: "True", first)
        }
        let refused = try push("stolen", by: nil)
        let count = await bench.api.requests.count
        let error = ClusterError(.timedOut, subject: "gitrepositories", message: "no answer")
        await bench.api.fail(.list, kind: FluxKinds.gitRepository.groupKind, with: error, times: .max)
        bench.built.update { $0 = [] }
        let next = bench.next
        try await next.run { source in
            try await eventually("the first looks fail") {
                let looks = await bench.api.requests.dropFirst(count).filter { $0.verb == .list && $0.kind == FluxKinds.gitRepository }
                return looks.count > 1 && !next.monitor.value.fluxProblem.isEmpty
            }
            try await Task.sleep(for: .milliseconds(100))
            #expect(source.state.value.commit == nil && bench.built.value.isEmpty)
            await bench.api.mend()
            try await awaitVerified("False", ready: "False", refused)
            #expect(source.state.value.commit?.id.hex == first, "what the agent before this one took stays")
            await bench.api.remove(UnitsTests.config("one"))
            try await awaitTitle("one")
            _ = try push("two", by: "ann")
            source.wake()
            try await awaitTitle("two")
        }
        let applied = await bench.api.requests.dropFirst(count).filter { $0.verb == .apply && $0.name == "one" }
        #expect(applied.count == 2, "the repair and the signed commit: \(applied)")
    }

    @Test func `after a restart the commit that was taken as it was stays`() async throws {
        try await putSigner("ann")
        let first = try push("one", by: nil)
        try await bench.run { _ in
            try await awaitTitle("one")
            try await awaitVerified("False", ready: "True", first)
        }
        try await bench.next.run { source in
            try await eventually("it is taken") { source.state.value.commit?.id.hex == first }
            try await eventually("it is not believed now either") { !source.state.value.doubt.isEmpty }
            let look = source.ask()
            try await eventually("it is looked at") { source.answered.value >= look }
            #expect(source.state.value.problem == nil)
            await bench.api.remove(UnitsTests.config("one"))
            try await awaitTitle("one")
        }
    }

    @Test func `when the record of what was applied is lost, nothing is taken that nobody signed`() async throws {
        try await putSigner("ann")
        let first = try push("one", by: "ann")
        try await bench.run { _ in
            try await awaitTitle("one")
            try await awaitVerified("True", ready: "True", first)
        }
        let refused = try push("stolen", by: nil)
        await bench.api.remove(Self.record)
        try await bench.next.run { source in
            try await awaitVerified("False", ready: "False", refused)
            // The look that refuses it may be over before what the agent before this one took is looked up.
            try await eventually("a commit is taken") { source.state.value.commit != nil }
            #expect(source.state.value.commit?.id.hex == first)
            #expect(await title() == "one")
            _ = try push("two", by: "ann")
            source.wake()
            try await awaitTitle("two")
        }
    }

    @Test func `a damaged record of what was applied stops the agent's own unit alone, and lets nothing in`() async throws {
        try await putSigner("ann")
        let first = try push("one", by: "ann")
        try await bench.run { _ in
            try await awaitTitle("one")
            try await awaitVerified("True", ready: "True", first)
            try await bench.phase(.ready)
        }
        let recorded = try #require(await bench.api.object(Self.record)?.value["data"])
        await bench.api.edit(Self.record) { $0["data"] = ["objects": "damaged"] }
        await bench.api.remove(UnitsTests.config("one"))
        let refused = try push("stolen", by: nil)
        try await bench.next.run { source in
            try await awaitTitle("one")
            try await awaitVerified("False", ready: "False", refused)
            #expect(source.state.value.commit?.id.hex == first)
            try await eventually("the agent's own unit says so", { await String(describing: bench.report()) }) {
                await String(describing: bench.report()).contains("the record of applied objects is damaged")
            }
            await bench.api.edit(Self.record) { $0["data"] = recorded }
            _ = try push("two", by: "ann")
            source.wake()
            try await awaitTitle("two")
        }
    }

    @Test func `without the keys nothing new is taken, until the Secret has them`() async throws {
        let first = try push("one", by: nil)
        try await bench.run { source in
            try await awaitTitle("one")
            try await awaitVerified("False", ready: "False", "Secret/flux-system/signers")
            #expect(await condition("SourceVerified")?.reason == "VerificationError")
            try await eventually("the unit says so", unitMessage) { await unitMessage().contains("no newer commit is taken, as the keys") }
            let second = try push("two", by: "ann")
            source.wake()
            await putSecret(["readme.txt": .string(Base64.encode(Array("none yet".utf8)))])
            try await awaitVerified("False", ready: "False", "has no key")
            #expect(source.state.value.commit?.id.hex == first)
            #expect(await title() == "one")
            try await putSigner("ann")
            try await awaitTitle("two")
            try await awaitVerified("True", ready: "True", second)
            // Ann is not believed any more; what she signed while she was stays.
            try await putSigner("bob")
            try await awaitVerified("False", ready: "True", "commit \(second) is not believed")
            let third = try push("three", by: "ann")
            source.wake()
            try await awaitVerified("False", ready: "False", "commit \(third) is not believed")
            #expect(await title() == "two")
            try await putSigner("ann")
            try await awaitTitle("three")
            await bench.api.remove(Self.secret)
            try await awaitVerified("False", ready: "False", "Secret/flux-system/signers")
            #expect(source.state.value.commit?.id.hex == third)
        }
    }

    @Test func `a GitRepository that is deleted by hand lets nothing in, and one that a signed commit takes away does`() async throws {
        try await putSigner("ann")
        let first = try push("one", by: "ann")
        try await bench.run { source in
            try await awaitTitle("one")
            try await awaitVerified("True", ready: "True", first)
            let uid = await bench.api.object(Self.repository)?.uid
            let refused = try push("stolen", by: nil)
            source.wake()
            try await awaitVerified("False", ready: "False", refused)
            await bench.api.remove(Self.repository)
            try await eventually("it is back, and says so", bench.standing) {
                let verified = await condition("SourceVerified")
                return await bench.api.object(Self.repository)?.uid != uid && verified?.message.contains(refused) == true
            }
            #expect(source.state.value.commit?.id.hex == first)
            #expect(await title() == "one")
            _ = try push("two", by: "ann", verify: "")
            source.wake()
            try await awaitTitle("two")
            try await eventually("nobody has to sign any more", bench.standing) {
                let verified = await condition("SourceVerified")
                return await condition("Ready")?.status == "True" && verified == nil
            }
            _ = try push("three", by: nil, verify: "")
            source.wake()
            try await awaitTitle("three")
        }
    }

    @Test func `of a branch the commit is verified where a tag is asked for, and that is told`() async throws {
        try await putSigner("ann")
        try await bench.run { source in
            let first = try push("one", by: "ann", verify: "{mode: TagAndHEAD, secretRef: {name: signers}}")
            source.wake()
            try await awaitTitle("one")
            try await awaitVerified("True", ready: "False", "commit '\(first)'")
            #expect(await condition("Ready")?.message.contains("spec.verify.mode TagAndHEAD does not hold for the repository") == true)
            #expect(await bench.api.object(Self.repository)?.value[path: "status", "sourceVerificationMode"] == "HEAD")
        }
    }
}
