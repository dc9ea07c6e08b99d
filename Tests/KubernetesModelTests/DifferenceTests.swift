import Diagnostics
import Foundation
import KubernetesModel
import Testing
import YAML

/// Each file of Fixtures/Difference holds two documents, what is wanted and what is there, and in its first lines the expected
/// differences: `# differs: PATH`, none when there are none.
struct DifferenceTests {
    static let cases = fixtures("Difference")

    @Test(arguments: cases) func `as the fixture says`(file: String) throws {
        let text = try fixture("Difference/" + file)
        let values = try YAMLReader.values(text, file: file)
        try #require(values.count == 2)
        let expected = text.split(separator: "\n").filter { $0.hasPrefix("# differs: ") }.map { String($0.dropFirst(11)) }
        let found = difference(desired: Manifest(values[0]), live: Manifest(values[1]))
        #expect(found.map(\.path) == expected)
    }

    @Test func `there are fixtures`() { #expect(Self.cases.count >= 10) }

    @Test func `ignored pointers are left out, with what is below`() throws {
        let desired = Manifest(["kind": "ConfigMap", "apiVersion": "v1", "data": ["a": "1", "b": "2"]])
        let live = Manifest(["kind": "ConfigMap", "apiVersion": "v1", "data": ["a": "x", "b": "y"]])
        #expect(difference(desired: desired, live: live, ignoring: ["/data/a"]).map(\.pointer) == ["/data/b"])
        #expect(difference(desired: desired, live: live, ignoring: ["/data"]).isEmpty)
    }

    @Test func `a secret's content is never told`() {
        let desired = Manifest(["kind": "Secret", "apiVersion": "v1", "stringData": ["password": "hunter2"]])
        let live = Manifest(["kind": "Secret", "apiVersion": "v1", "data": ["password": "b3RoZXI="]])
        #expect(
            difference(desired: desired, live: live).map(\.description) == ["data.password: \"<another secret>\" instead of \"<secret>\""])
    }

    @Test func `values that are masked are still told apart`() {
        let desired = Manifest(["kind": "Secret", "apiVersion": "v1", "data": ["a": "MQ=="]])
        let found = ["Mg==", "Mw==", "Mg=="].map {
            difference(desired: desired, live: Manifest(["kind": "Secret", "apiVersion": "v1", "data": ["a": .string($0)]]))
        }
        #expect(found[0] == found[2] && found[0] != found[1])
    }

    @Test func `what is secret in a build is in no difference`() {
        var texts = KnownSecrets()
        texts.add("s3cret")
        let secrecy = Secrecy(texts: texts, files: ["apps/release.yaml"])
        let here = "apps/a.yaml"
        func told(_ desired: Value, _ live: Value?, at file: String) -> String {
            let difference = FieldDifference(path: "spec.host", pointer: "/spec/host", desired: desired, live: live)
            return secrecy.masked(difference, of: SourceLocation(file: file, line: 9)).description
        }
        #expect(told("s3cret.example.org", "old", at: here) == "spec.host: \"<another secret>\" instead of \"<secret>\"")
        #expect(told("new", "s3cret", at: here) == "spec.host: \"<another secret>\" instead of \"<secret>\"")
        #expect(told("new", "old", at: here) == "spec.host: \"old\" instead of \"new\"")
        #expect(told("new", nil, at: "apps/release.yaml") == "spec.host: absent instead of \"<secret>\"")
        #expect(Secrecy().isEmpty && Secrecy() == Secrecy(texts: KnownSecrets()) && Secrecy().adding(texts).masked("a s3cret") == "a *****")
    }

    @Test func `integers that a double cannot tell apart are different`() {
        func found(_ a: Value, _ b: Value) -> Int {
            difference(
                desired: Manifest(["apiVersion": "example.org/v1", "kind": "W", "spec": ["n": a]]),
                live: Manifest(["apiVersion": "example.org/v1", "kind": "W", "spec": ["n": b]])
            ).count
        }
        #expect(found(.uint(12_345_678_901_234_567_890), .uint(12_345_678_901_234_567_890)) == 0)
        #expect(found(.uint(12_345_678_901_234_567_890), .uint(12_345_678_901_234_567_891)) == 1)
        #expect(found(.int(9_007_199_254_740_993), .int(9_007_199_254_740_992)) == 1)
        #expect(found(.double(1.5), .double(1.5)) == 0)
        #expect(found(1, .double(1)) == 0)
    }

    @Test func `a definition's schema says which lists are maps`() {
        let definition = Manifest([
            "spec": [
                "versions": [
                    [
                        "name": "v1",
                        "schema": [
                            "openAPIV3Schema": [
                                "properties": [
                                    "spec": [
                                        "properties": [
                                            "rules": ["x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["id"]]
                                        ]
                                    ]
                                ]
                            ]
                        ],
                    ]
                ]
            ]
        ])
        let desired = Manifest(["apiVersion": "example.org/v1", "kind": "W", "spec": ["rules": [["id": "b", "x": 1]]]])
        let live = Manifest(["apiVersion": "example.org/v1", "kind": "W", "spec": ["rules": [["id": "a", "x": 9], ["id": "b", "x": 1]]]])
        #expect(difference(desired: desired, live: live, listKeys: ListKeys(definition: definition, version: "v1")).isEmpty)
        #expect(difference(desired: desired, live: live).map(\.path) == ["spec.rules"])
    }
}
