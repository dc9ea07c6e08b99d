import KubernetesModel
import Testing

struct VersionRangeTests {
    @Test(arguments: [
        ("1.2.3", "1.2.3 v1.2.3", "1.2.4 1.2.3-rc.1"), ("1.2", "1.2.0 1.2.9", "1.3.0 1.1.9"), ("1.x", "1.0.0 1.99.1", "2.0.0 0.9.0"),
        ("*", "0.0.1 9.9.9", "1.0.0-rc.1"), (">=1.2 <2", "1.2.0 1.9.9", "2.0.0 1.1.9"), (">= 1.2, < 2", "1.2.0", "2.0.0"),
        ("^1.2.3", "1.2.3 1.9.0", "1.2.2 2.0.0"), ("^0.2.3", "0.2.3 0.2.9", "0.3.0"), ("^0.0.3", "0.0.3", "0.0.4"),
        ("^0", "0.9.9", "1.0.0"),
        ("~1.2.3", "1.2.3 1.2.9", "1.3.0"), ("~1", "1.9.0", "2.0.0"), ("~>1.4", "1.4.7", "1.5.0"), (">1.2", "1.3.0", "1.2.9"),
        ("<=1.2", "1.2.9 0.1.0", "1.3.0"), ("!=1.3.0", "1.2.0 1.3.1", "1.3.0"), ("1.2 - 1.4.5", "1.2.0 1.4.5", "1.4.6 1.1.0"),
        ("<1 || >=3", "0.9.0 3.0.0", "2.0.0"), (">=1.0.0-0", "1.0.0-rc.1 1.0.0", "0.9.9"), (">=1.0.0-rc.2", "1.0.0-rc.10", "1.0.0-rc.1"),
    ])
    func `a range holds some versions and not others`(_ range: String, _ inside: String, _ outside: String) throws {
        let range = try #require(VersionRange(range))
        for text in inside.split(separator: " ") { #expect(range.contains(try #require(SemanticVersion(String(text)))), "\(text)") }
        for text in outside.split(separator: " ") { #expect(!range.contains(try #require(SemanticVersion(String(text)))), "\(text)") }
    }

    @Test(arguments: ["", "latest", ">=", "1.2.3.4", "^1 ||", "1..2", "1 -", "^9223372036854775807"]) func `this is no range`(
        _ text: String
    ) {
        #expect(VersionRange(text) == nil)
    }

    @Test func `order of versions, by the standard's own example`() throws {
        let sorted = ["1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "1.0.1"]
        #expect(try sorted.shuffled().map { try #require(SemanticVersion($0)) }.sorted() == sorted.compactMap { SemanticVersion($0) })
    }

    @Test func `the highest tag is given as it is written, and tags that are no versions are passed over`() {
        let tags = ["v1.2.0", "1.10.0", "nightly", "v2.0.0-rc.1", "v2", "20240131", "v3.1", "V4.0.0", "5.x.0", "06.0.0", "v7.0.0.0"]
        #expect(VersionRange("1.x")?.highest(of: tags) == "1.10.0")
        #expect(VersionRange(">=1")?.highest(of: tags) == "1.10.0")
        #expect(VersionRange(">=1")?.highest(of: tags + ["v2.0.0+build.7"]) == "v2.0.0+build.7")
        #expect(VersionRange("3.x")?.highest(of: tags) == nil)
    }
}
