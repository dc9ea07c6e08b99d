import KubernetesModel
import Testing
import YAML

struct TimestampTests {
    @Test(arguments: [
        ("1970-01-01T00:00:00Z", Int64(0)), ("2026-11-24T04:05:06Z", 1_795_493_106), ("2024-02-29T23:59:59Z", 1_709_251_199),
        ("1969-12-31T23:59:59Z", -1), ("2000-03-01T00:00:00Z", 951_868_800),
    ])
    func `reads and writes RFC 3339`(text: String, seconds: Int64) throws {
        let timestamp = try #require(Timestamp(text))
        #expect(timestamp.secondsSinceEpoch == seconds)
        #expect(timestamp.description == text)
    }

    @Test func `fractions and zones`() throws {
        let fraction = try #require(Timestamp("2026-01-02T03:04:05.123456Z"))
        #expect(fraction.nanoseconds == 123_456_000)
        #expect(fraction.microseconds == "2026-01-02T03:04:05.123456Z")
        #expect(Timestamp("2026-01-02T03:04:05Z")?.microseconds == "2026-01-02T03:04:05.000000Z")
        #expect(Timestamp("2026-01-02T03:04:05+02:00") == Timestamp("2026-01-02T01:04:05Z"))
    }

    @Test(arguments: ["", "2026-01-02", "2026-13-02T03:04:05Z", "2026-01-02T03:04:05", "2026-01-02T03:04:05.Z", "2026-01-02T25:04:05Z"])
    func `refuses what is none`(text: String) { #expect(Timestamp(text) == nil) }

    @Test func `arithmetic`() throws {
        let start = try #require(Timestamp("2026-01-02T03:04:05.9Z"))
        let later = start.advanced(by: .milliseconds(1200))
        #expect(later.microseconds == "2026-01-02T03:04:07.100000Z")
        #expect(start.duration(to: later) == .milliseconds(1200))
        #expect(later.advanced(by: .milliseconds(-1200)) == start)
        #expect(start < later)
    }
}

struct QuantityTests {
    @Test(arguments: [
        ("1", "1000m"), ("1Gi", "1024Mi"), ("0.5", "500m"), ("1e3", "1k"), ("1E3", "1000"), ("100M", "100000k"), ("1.5Gi", "1536Mi"),
        ("-1", "-1000m"), ("1n", "0.000000001"), ("2Ei", "2048Pi"),
    ])
    func `equal amounts in different words`(a: String, b: String) throws {
        #expect(try #require(Quantity(a)) == #require(Quantity(b)))
    }

    @Test(arguments: ["", "x", "1x", "1 Gi", "--1", "1e", ".", "99999999999999999999999999999999999999999"])
    func `refuses what is none`(text: String) { #expect(Quantity(text) == nil) }

    @Test func `numbers, order and units`() throws {
        #expect(Quantity(Value.int(2)) == Quantity("2"))
        #expect(Quantity(Value.uint(12_345_678_901_234_567_890)) == Quantity("12345678901234567890"))
        #expect(Quantity(Value.double(0.25)) == Quantity("250m"))
        #expect(try #require(Quantity("900m")) < #require(Quantity("1")))
        #expect(Quantity("2Ki")?.units == 2048)
    }
}

struct LeaseRecordTests {
    @Test func `a lease reads back and lapses`() throws {
        let start = try #require(Timestamp("2026-01-02T03:04:05Z"))
        let lease = LeaseRecord(holder: "m1", durationSeconds: 15, acquireTime: start, renewTime: start, transitions: 2)
        #expect(LeaseRecord(of: lease.manifest(namespace: "kube-system", name: "homelab")) == lease)
        #expect(!lease.isExpired(at: start.advanced(by: .seconds(15))))
        #expect(lease.isExpired(at: start.advanced(by: .seconds(16))))
        #expect(LeaseRecord(of: Manifest([:])).isExpired(at: start))
    }

    @Test func `owner labels are set and read`() {
        let owner = Ownership(namespace: "flux-system", name: "apps")
        let labelled = owner.labelled(Manifest(["kind": "ConfigMap", "metadata": ["name": "x", "labels": ["a": "b"]]]))
        #expect(Ownership(of: labelled) == owner)
        #expect(labelled.label("a") == "b")
        #expect(Ownership(of: Manifest(["metadata": ["name": "x"]])) == nil)
    }
}
