import Diagnostics
import Testing
import YAML

@testable import NodeInventory

@Suite struct ValueTests {
    @Test(arguments: [
        ("10.0.0.1", "10.0.0.1"), ("::1", "::1"), ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"), ("::", "::"),
        ("fe80::1:2", "fe80::1:2"), ("::ffff:10.0.0.1", "::ffff:a00:1"), ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"),
        ("2001:DB8::", "2001:db8::"),
    ]) func addresses(_ text: String, _ canonical: String) {
        #expect(IPAddress(text)?.description == canonical)
    }

    @Test(arguments: [
        "", "10.0.0", "10.0.0.256", "10.0.0.01", "10.0.0.1 ", "1::2::3", ":1", "1:", "1:2:3:4:5:6:7", "12345::", "g::", "10.0.0.-1",
        "1:2:3:4:5:6:7:8:9",
    ]) func noAddresses(_ text: String) {
        #expect(IPAddress(text) == nil)
    }

    @Test func ranges() throws {
        let lan = try #require(CIDR("192.168.20.0/24"))
        #expect(lan.contains(try #require(IPAddress("192.168.20.255"))))
        #expect(!lan.contains(try #require(IPAddress("192.168.21.0"))))
        #expect(!lan.contains(try #require(IPAddress("::1"))))
        #expect(lan.overlaps(try #require(CIDR("192.168.0.0/16"))))
        #expect(try #require(CIDR("192.168.0.0/16")).overlaps(lan))
        #expect(CIDR("10.1.2.3/20")?.network.description == "10.1.0.0/20")
        #expect(CIDR("10.0.0.0/33") == nil)
        #expect(CIDR("10.0.0.0/0")?.contains(try #require(IPAddress("8.8.8.8"))) == true)
    }

    @Test(arguments: ["main", "feature/one-two", "v1.2", "größe", "a@b", "lock", "a-"]) func branches(_ name: String) {
        #expect(NameRule.branchProblem(name) == nil)
    }

    /// git-check-ref-format(1) refuses these.
    @Test(arguments: [
        "", "a b", "a\u{7F}", "a~1", "a^", "a:b", "a?", "*", "[a", "a\\b", "a..b", "a@{1}", "-a", "a.", "/a", "a/", "a//b", ".a", "a/.b",
        "a.lock", "a.lock/b",
    ]) func noBranches(_ name: String) {
        #expect(NameRule.branchProblem(name) != nil)
    }

    @Test func versions() throws {
        let order = ["v1.32.9+k3s1", "v1.33.0-rc1+k3s1", "v1.33.0+k3s1", "v1.33.0+k3s2", "v1.33.10+k3s1"].map { K3sVersion($0) }
        for (a, b) in zip(order, order.dropFirst()) { #expect(try #require(a) < #require(b)) }
        #expect(K3sVersion("v1.33.0-rc1+k3s1")?.description == "v1.33.0-rc1+k3s1")
        for text in ["1.33.0+k3s1", "v1.33.0", "v1.33+k3s1", "v1.33.0+k3s0", "v1.33.0+rke2r1", "v1.33.x+k3s1", "v1.33.0-+k3s1"] {
            #expect(K3sVersion(text) == nil)
        }
    }

    @Test func hostKeys() {
        let blob = "AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g"
        #expect(HostKey("ssh-ed25519 \(blob) root@ada") == .key(type: "ssh-ed25519", blob: blob))
        #expect(HostKey("SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU") != nil)
        #expect(HostKey("ssh-rsa \(blob)") == nil, "the blob is of another type")
        #expect(HostKey("ada ssh-ed25519 \(blob)") == nil)
        #expect(HostKey("ssh-ed25519 AAAA!") == nil)
        #expect(HostKey("SHA256:short") == nil)
    }

    @Test func taints() {
        #expect(Taint("a.example/b=c:NoExecute") == Taint(key: "a.example/b", value: "c", effect: .noExecute))
        #expect(Taint("gpu:NoSchedule")?.description == "gpu:NoSchedule")
        for text in ["gpu", "gpu=1", "gpu:NoSchedul", "=1:NoSchedule", "a/b/c:NoSchedule"] { #expect(Taint(text) == nil) }
    }

    @Test func endpoints() {
        #expect(Endpoint("k3s.home") == Endpoint(host: "k3s.home", port: 6443))
        #expect(Endpoint("10.0.0.5:443") == Endpoint(host: "10.0.0.5", port: 443))
        #expect(Endpoint("fd00::1") == Endpoint(host: "fd00::1"))
        #expect(Endpoint("[fd00::1]:7443") == Endpoint(host: "fd00::1", port: 7443))
        for text in ["https://x", "a:b", "host:0", "", "a/b"] { #expect(Endpoint(text) == nil) }
    }

    @Test func suggestions() {
        #expect(Suggestion.nearest(to: "hostKey", in: ["host", "hostKeys"]) == "hostKeys")
        #expect(Suggestion.nearest(to: "sevrer", in: ["server", "agent"]) == "server")
        #expect(Suggestion.nearest(to: "banana", in: ["server", "agent"]) == nil)
    }

    @Test func agentConfigurationIsReadAsWritten() throws {
        var repository = AgentConfiguration.Repository(url: "ssh://ops@10.0.0.1/var/lib/homelab/repository.git", branch: "main")
        repository.identityFile = "/etc/homelab/deploy_key"
        repository.knownHostsFile = "/etc/homelab/known_hosts"
        var written = AgentConfiguration(cluster: "home", node: "ada", repository: repository)
        written.pollInterval = 90
        written.unit = UnitName(namespace: "flux-system", name: "flux-system")
        #expect(try AgentConfiguration.decode(written.encoded, file: "agent.yaml") == written)
    }

    @Test func agentConfigurationIsReadStrictly() throws {
        let written = AgentConfiguration(cluster: "home", node: "ada", repository: .init(url: "/srv/r.git")).encoded
        let error = #expect(throws: Diagnostics.self) {
            try AgentConfiguration.decode(written + "polInterval: 30s\n", file: "agent.yaml")
        }
        #expect(error?.description.contains("agent.yaml:15:1: error: unknown field \"polInterval\"") == true)
        #expect(error?.description.contains("did you mean \"pollInterval\"?") == true)
    }
}

@Suite struct K3sFlagTests {
    @Test func theTableIsInOrderAndNamesNothingTwice() {
        let names = K3sFlags.table.split(separator: "\n").map { $0.prefix { $0 != " " } }
        #expect(names == names.sorted())
        #expect(Set(names).count == names.count)
        #expect(K3sFlags.all.count == names.count)
    }

    @Test func whatIsSaidOfFlagsElsewhereIsOfFlagsThatThereAre() {
        for name in K3sFlags.managed.keys.sorted() + K3sFlags.secrets.keys.sorted() + K3sFlags.critical.sorted() {
            #expect(K3sFlags.all[name] != nil, "\(name)")
        }
        for flag in K3sFlags.all.values {
            #expect(flag.since == flag.since.sorted(), "\(flag.name)")
            if let replacement = flag.replacement { #expect(K3sFlags.all[String(replacement.prefix { $0 != ":" })] != nil, "\(flag.name)") }
        }
    }

    @Test(arguments: [
        ("embedded-registry", "v1.28.5+k3s1", false), ("embedded-registry", "v1.28.6+k3s1", true),
        ("embedded-registry", "v1.29.0+k3s1", false),
        ("embedded-registry", "v1.30.0+k3s1", true), ("embedded-registry", "v1.25.16+k3s1", false),
        ("multi-cluster-cidr", "v1.28.9+k3s1", true),
        ("multi-cluster-cidr", "v1.29.0+k3s1", false), ("tls-san", "v1.20.0+k3s1", true), ("write-kubeconfig-name", "v1.99.0+k3s1", true),
        ("disable-apiserver-lb", "v1.27.16+k3s1", false),
    ])
    func theVersionDecides(_ name: String, _ version: String, _ has: Bool) throws {
        #expect(try #require(K3sFlags.all[name]).exists(in: try #require(K3sVersion(version))) == has)
    }

    @Test(arguments: [
        ("5m", true), ("1h30m", true), ("1.5s", true), ("0", true), ("5", false), ("m", false), ("5 m", false), ("", false), ("5d", false),
    ])
    func durationsAreGos(_ text: String, _ fits: Bool) throws {
        #expect((try #require(K3sFlags.all["etcd-s3-timeout"]).problem(with: .string(text)) == nil) == fits)
    }
}
