import Foundation
import KubernetesModel
import Testing
import YAML

/// One file per state in Fixtures/Health/<Kind>; its first line says `# <Status>` or `# <Status>: <message>`.
/// The clock stands at 2026-01-01T01:00:00Z, the class `local-path` waits for its first pod and is the default.
struct HealthTests {
    static let cases = fixtures("Health")

    @Test(arguments: cases) func `as the fixture says`(file: String) throws {
        let text = try fixture("Health/" + file)
        let header = try #require(text.split(separator: "\n").first { $0.hasPrefix("# ") }).dropFirst(2)
        let value = try #require(try YAMLReader.values(text, file: file).first)
        let context = HealthContext(
            now: Timestamp("2026-01-01T01:00:00Z"), classesWaitingForConsumer: ["local-path"], defaultStorageClass: "local-path",
            servesLoadBalancers: file.contains("-served"))
        let health = health(of: Manifest(value), in: context)
        #expect(header.contains(":") ? health.description == header : health.status.rawValue == header, "\(health)")
    }

    @Test func `a load balancer that has an address tells that something gives them`() {
        var context = HealthContext()
        var service = Manifest(["apiVersion": "v1", "kind": "Service", "spec": ["type": "LoadBalancer"], "status": ["loadBalancer": [:]]])
        context.take(service: service)
        #expect(!context.servesLoadBalancers)
        service.value["status"] = ["loadBalancer": ["ingress": [["ip": "192.0.2.7"]]]]
        context.take(service: service)
        #expect(context.servesLoadBalancers)
    }

    @Test func `every kind with a rule has fixtures`() {
        #expect(Set(Self.cases.compactMap { $0.split(separator: "/").first }).count >= 20)
        #expect(Self.cases.count >= 60)
    }

    @Test func `storage classes fill the context`() {
        var context = HealthContext()
        context.take(storageClasses: [
            Manifest([
                "metadata": ["name": "local-path", "annotations": ["storageclass.kubernetes.io/is-default-class": "true"]],
                "volumeBindingMode": "WaitForFirstConsumer",
            ]),
            Manifest(["metadata": ["name": "nfs"], "volumeBindingMode": "Immediate"]),
        ])
        #expect(context.classesWaitingForConsumer == ["local-path"])
        #expect(context.defaultStorageClass == "local-path")
    }
}
