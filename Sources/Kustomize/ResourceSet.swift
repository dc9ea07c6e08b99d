import Diagnostics
import YAML

/// The resources of a build in order, with look-up by what they are and were called.
final class ResourceSet {
    private(set) var all: [Resource] = []
    private var current: Set<ResourceID>?
    private var byAnyID: [ResourceID: [Int]]?
    private var mayHoldEmpty = false

    var count: Int { all.count }

    /// To be called after names may have changed.
    func invalidate() {
        current = nil
        byAnyID = nil
    }

    private var currentIDs: Set<ResourceID> {
        if let current { return current }
        let ids = Set(all.lazy.map(\.id))
        current = ids
        return ids
    }

    /// Adds a resource; false, and nothing added, when one with its id is there.
    func append(_ resource: Resource) -> Bool {
        _ = currentIDs
        guard current?.insert(resource.id).inserted == true else { return false }
        if byAnyID != nil { index(resource, at: all.count) }
        all.append(resource)
        return true
    }

    private func index(_ resource: Resource, at position: Int) {
        for id in resource.anyIDs where byAnyID?[id]?.last != position { byAnyID?[id, default: []].append(position) }
    }

    /// The positions of the resources that have or had an id.
    func positions(of id: ResourceID) -> [Int] {
        if byAnyID == nil {
            byAnyID = Dictionary(minimumCapacity: all.count * 2)
            for (position, resource) in all.enumerated() where !resource.isEmpty { index(resource, at: position) }
        }
        return (byAnyID?[id] ?? []).filter { !all[$0].isEmpty }
    }

    /// Patches may have given two resources one name, which kustomize finds out wherever resources are gathered.
    func refuseEqualIDs(at location: SourceLocation) throws(Diagnostics) {
        var findings = Diagnostics()
        var seen: Set<ResourceID> = []
        for resource in all where !seen.insert(resource.id).inserted {
            findings.append(
                Diagnostic(
                    .error, "\(resource.id.description) is there twice", at: resource.origin ?? location,
                    remedy: "look for a patch that gives several resources one name"))
        }
        try findings.throwIfErrors()
    }

    func replace(at position: Int, with resource: Resource) {
        all[position] = resource
        invalidate()
    }

    /// To be called when a patch deleted a resource, before the next step.
    func noteEmpty() { mayHoldEmpty = true }

    /// Drops the resources that patches deleted.
    func dropEmpty() {
        guard mayHoldEmpty else { return }
        mayHoldEmpty = false
        all.removeAll(where: \.isEmpty)
        invalidate()
    }

    func removeAll(where unwanted: (Resource) -> Bool) {
        all.removeAll(where: unwanted)
        invalidate()
    }

    func reorder(_ order: [Resource]) {
        all = order
        byAnyID = nil
    }
}
