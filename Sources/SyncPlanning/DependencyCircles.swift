package import Diagnostics
package import KubernetesModel

/// Kustomizations that wait for each other: none of them would ever be applied, and Flux says nothing about it.
package enum DependencyCircles {
    /// One finding for each circle, at the first of its Kustomizations by name.
    package static func problems(in manifests: [Manifest]) -> [Diagnostic] {
        var units: [Ownership: Manifest] = [:]
        for manifest in manifests { if let unit = manifest.key.unit { units[unit] = manifest } }
        let dependencies = units.mapValues { KustomizationSpec(of: $0).dependsOn.sorted() }
        var told: Set<Set<Ownership>> = []
        return units.keys.sorted().compactMap { start in
            guard let circle = circle(from: start, dependencies), told.insert(Set(circle)).inserted, let manifest = units[start] else {
                return nil
            }
            return Diagnostic(
                .error, "waits for itself", subject: manifest.key.description, at: manifest.origin,
                cause: "the dependencies lead in a circle: " + (circle + [start]).map(\.description).joined(separator: " → "),
                remedy: "take one of these out of a dependsOn")
        }
    }

    /// A path of dependencies from a unit back to itself, without its end.
    private static func circle(from start: Ownership, _ dependencies: [Ownership: [Ownership]]) -> [Ownership]? {
        var seen: Set<Ownership> = []
        var paths = [[start]]
        while let path = paths.popLast() {
            for next in dependencies[path[path.count - 1]] ?? [] {
                if next == start { return path }
                if seen.insert(next).inserted { paths.append(path + [next]) }
            }
        }
        return nil
    }
}
