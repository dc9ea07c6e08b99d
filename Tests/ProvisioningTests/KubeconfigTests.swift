import Testing
import YAML

@testable import Provisioning

@Suite struct KubeconfigTests {
    static let fromServer = Kubeconfig([
        "apiVersion": "v1", "kind": "Config", "current-context": "default", "preferences": [:],
        "clusters": [["name": "default", "cluster": ["certificate-authority-data": "ZGVmYXVsdA==", "server": "https://127.0.0.1:6443"]]],
        "users": [["name": "default", "user": ["client-key-data": "default"]]],
        "contexts": [["name": "default", "context": ["cluster": "default", "user": "default"]]],
    ])

    @Test func namesAndAddressAreRewrittenAndNothingElse() {
        let home = Self.fromServer.renamed(to: "home", server: "https://10.0.0.5:6443")
        #expect(home.server == "https://10.0.0.5:6443")
        #expect(home.value["current-context"] == "home")
        #expect(home.value["users"]?.array?.first?[path: "user", "client-key-data"] == "default")
        #expect(home.value["contexts"]?.array?.first?[path: "context", "user"] == "home")
        #expect(home.value["clusters"]?.array?.first?[path: "cluster", "certificate-authority-data"] == "ZGVmYXVsdA==")
    }

    @Test func mergeReplacesOwnEntriesAndKeepsTheRest() {
        let old = Self.fromServer.renamed(to: "work", server: "https://w:6443")
        let first = Self.fromServer.renamed(to: "home", server: "https://old:6443")
        let second = Self.fromServer.renamed(to: "home", server: "https://new:6443")
        let merged = old.merging(first).merging(second)
        #expect(merged.value["clusters"]?.array?.count == 2)
        #expect(merged.value["current-context"] == "work")
        #expect(merged.server == "https://w:6443")
        #expect(merged.value["clusters"]?.array?.last?[path: "cluster", "server"] == "https://new:6443")
    }

    @Test func mergeIntoNothingChoosesTheNewContext() {
        let home = Self.fromServer.renamed(to: "home", server: "https://h:6443")
        let merged = Kubeconfig(.null).merging(home)
        #expect(merged.value["current-context"] == "home")
        #expect(merged.value["kind"] == "Config")
        #expect(merged.server == "https://h:6443")
    }

    @Test func entriesOfAnotherClusterAreKnownByAddressAndCA() {
        let home = Self.fromServer.renamed(to: "home", server: "https://h:6443")
        #expect(!Kubeconfig(.null).leadsElsewhere(than: home))
        #expect(!Self.fromServer.renamed(to: "work", server: "https://w:6443").leadsElsewhere(than: home))
        // The same CA at another address, and another CA at the same address, as after a reset.
        #expect(!Self.fromServer.renamed(to: "home", server: "https://other:6443").leadsElsewhere(than: home))
        let cluster: Value = ["name": "home", "cluster": ["server": "https://h:6443", "certificate-authority-data": "YQ=="]]
        #expect(!Kubeconfig(["clusters": [cluster]]).leadsElsewhere(than: home))
        let other: Value = ["name": "home", "cluster": ["server": "https://w:6443", "certificate-authority-data": "YQ=="]]
        #expect(Kubeconfig(["clusters": [other]]).leadsElsewhere(than: home))
        #expect(Kubeconfig(["users": [["name": "home", "user": ["token": "x"]]]]).leadsElsewhere(than: home))
    }
}
