import Diagnostics
import Foundation
import KubernetesModel
import Testing
import YAML

@testable import SyncPlanning

/// One case is a folder: what is wanted (`desired.yaml`), recorded (`applied.txt`), there (`live.yaml`), the circumstances
/// (`options.yaml`), and the plan's text that must come out (`plan.txt`).
///
/// A live object annotated `test: as-applied` gets the labels and the digest that it would have from its desired manifest;
/// `test: by-us` gets our labels and the digest of something older.
@Suite struct PlanCases {
    static let root = Bundle.module.resourceURL?.appendingPathComponent("Fixtures")
    static let unit = Ownership(namespace: "homelab-system", name: "home")

    static var names: [String] {
        get throws { try FileManager.default.contentsOfDirectory(atPath: #require(root).path).sorted() }
    }

    struct Case {
        let folder: URL

        init(_ name: String) throws { folder = try #require(PlanCases.root).appendingPathComponent(name) }

        func text(_ file: String) throws -> String? {
            let path = folder.appendingPathComponent(file)
            return FileManager.default.fileExists(atPath: path.path) ? try String(contentsOf: path, encoding: .utf8) : nil
        }

        func manifests(_ file: String) throws -> [Manifest] {
            guard let text = try text(file) else { return [] }
            return try YAMLReader.documents(text, file: file).map {
                Manifest($0.value, origin: SourceLocation(file: file, line: $0.mark.line, column: $0.mark.column))
            }
        }
    }

    @Test("the plan of a case", arguments: try names)
    func plan(_ name: String) throws {
        let folder = try Case(name)
        let expected = try #require(try folder.text("plan.txt"), "no plan.txt")
        let options = try folder.text("options.yaml").flatMap { try YAMLReader.values($0, file: "options.yaml").first } ?? .null
        #expect(try Self.outcome(of: folder, options) == expected)
    }

    static func outcome(of folder: Case, _ options: Value) throws -> String {
        let scopes: [GroupKind: Bool] = [
            GroupKind(group: "", kind: "Namespace"): false, GroupKind(group: "", kind: "ConfigMap"): true,
            GroupKind(group: "", kind: "Service"): true, GroupKind(group: "apps", kind: "Deployment"): true,
            GroupKind(group: "", kind: "PersistentVolumeClaim"): true, GroupKind(group: "", kind: "Secret"): true,
            GroupKind(group: "batch", kind: "Job"): true,
        ]
        let desired: DesiredTree
        do {
            desired = try DesiredTree(try folder.manifests("desired.yaml").map { PackedManifest($0) }, owner: unit, scopes: scopes)
        } catch let problems as Diagnostics {
            return problems.description + "\n"
        }
        let applied = try #require(ResourceInventory(text: try folder.text("applied.txt") ?? ""))
        var request = SyncRequest(unit: unit, revision: "0123456789abcdef", desired: desired, applied: applied, live: [:])
        for key in Set(applied.keys + desired.objects.map(\.key)) where scopes[key.groupKind] == nil { request.live[key] = .kindUnknown }
        for key in applied.keys where request.live[key] == nil { request.live[key] = .absent }
        for manifest in try folder.manifests("live.yaml") {
            let wanted = desired.objects.first { $0.key == manifest.key }
            request.live[manifest.key] = .present(PresentObject(of: try marked(manifest, wanted), desired: wanted))
        }
        request.prune.confirmedRevision = options["confirmed"]?.string
        if let count = options["maximumCount"]?.int { request.prune.maximumCount = Int(count) }
        request.prune.isEnabled = options["prune"]?.bool ?? true
        request.gate.isExpired = options["expired"]?.bool ?? false
        for id in options["unhealthy"]?.array ?? [] {
            request.gate.unhealthy[try #require(ObjectKey(inventoryID: id.string ?? ""))] = "1 of 2 replicas"
        }
        for id in options["claimed"]?.array ?? [] {
            request.claimed[try #require(ObjectKey(inventoryID: id.string ?? ""))] = Ownership(namespace: "homelab-system", name: "other")
        }
        for member in options["companions"]?.object ?? Object() {
            request.companions[try #require(ObjectKey(inventoryID: member.key))] = Int(try #require(member.value.int))
        }
        for member in options["rivals"]?.object ?? Object() {
            let file = member.value.string ?? ""
            request.rivals[try #require(ObjectKey(inventoryID: member.key))] = Rival(
                unit: Ownership(namespace: "homelab-system", name: "other"), origin: SourceLocation(file: file, line: 3),
                isBehind: file == "behind")
        }
        request.reportsDrift = options["reportsDrift"]?.bool ?? false
        request.wasApplied = options["wasApplied"]?.bool ?? false
        for member in options["completed"]?.object ?? Object() {
            let key = try #require(ObjectKey(inventoryID: member.key))
            request.completed[key] = member.value == "this" ? desired.objects.first { $0.key == key }?.digest : member.value.string
        }
        request.yields = options["yields"]?.bool ?? false
        if let name = options["laggard"]?.string {
            request.laggard = Laggard(
                Ownership(namespace: "homelab-system", name: name), isBroken: options["brokenLaggard"]?.bool ?? false)
        }
        request.isAfterApplying = options["isAfterApplying"]?.bool ?? false
        let plan = SyncPlanner.plan(request)
        let forgotten = plan.forgotten.map { "forgotten: \($0)\n" }.joined()
        #expect(applied.keys.allSatisfy(plan.record.contains))
        #expect(plan.applies.allSatisfy { plan.record.contains($0.key) })
        return plan.text + forgotten
    }

    static func marked(_ manifest: Manifest, _ desired: DesiredObject?) throws -> Manifest {
        guard let mark = manifest.annotation("test") else { return manifest }
        var result = unit.labelled(manifest)
        let digest = mark == "as-applied" ? try #require(desired).digest : "older"
        result.value["metadata"]?["annotations"]?[DesiredObject.digestAnnotation] = .string(digest)
        return result
    }
}
