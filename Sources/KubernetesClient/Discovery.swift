internal import KubernetesModel
internal import YAML

/// What kinds an API server has, read from its two ways of telling.
enum DiscoveryAnswer {
    /// Asks for everything in one answer where the server can (1.26 and later), else for the plain list.
    static let accept =
        "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
        + "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"

    static func isAggregated(_ value: Value) -> Bool { value["kind"]?.string == "APIGroupDiscoveryList" }

    /// From `/api` or `/apis` of a server with aggregated discovery. A group version that is stale (its own server does not answer)
    /// is left out, so that it is asked for when it is needed.
    static func aggregated(_ value: Value) -> [APIResource] {
        (value["items"]?.array ?? []).flatMap { item -> [APIResource] in
            let group = item[path: "metadata", "name"]?.string ?? ""
            return (item["versions"]?.array ?? []).flatMap { version -> [APIResource] in
                if version["freshness"]?.string == "Stale" { return [] }
                return (version["resources"]?.array ?? []).compactMap { resource in
                    guard let plural = resource["resource"]?.string, let kind = resource[path: "responseKind", "kind"]?.string else {
                        return nil
                    }
                    return APIResource(
                        kind: GroupVersionKind(group: group, version: version["version"]?.string ?? "", kind: kind), plural: plural,
                        isNamespaced: resource["scope"]?.string == "Namespaced", verbs: verbs(resource))
                }
            }
        }
    }

    /// From `/api/v1` or `/apis/<group>/<version>`; subresources are left out.
    static func resources(_ value: Value) -> [APIResource] {
        let groupVersion = value["groupVersion"]?.string ?? "v1"
        return (value["resources"]?.array ?? []).compactMap { resource in
            guard let plural = resource["name"]?.string, !plural.contains("/"), let kind = resource["kind"]?.string else { return nil }
            return APIResource(
                kind: GroupVersionKind(apiVersion: groupVersion, kind: kind), plural: plural,
                isNamespaced: resource["namespaced"]?.bool ?? false, verbs: verbs(resource))
        }
    }

    /// The group versions of a plain `/apis`, each group's preferred one first.
    static func groupVersions(_ value: Value) -> [String] {
        (value["groups"]?.array ?? []).flatMap { group -> [String] in
            let preferred = group[path: "preferredVersion", "groupVersion"]?.string
            let all = (group["versions"]?.array ?? []).compactMap { $0["groupVersion"]?.string }
            return (preferred.map { [$0] } ?? []) + all.filter { $0 != preferred }
        }
    }

    private static func verbs(_ resource: Value) -> Set<String> { Set((resource["verbs"]?.array ?? []).compactMap(\.string)) }
}

/// The kinds that are known, asked for once; a kind that is not among them is asked for again by its group version alone, one request
/// however many callers wait for it.
actor Discovery {
    private let fetch: @Sendable (_ path: String, _ accept: String?) async throws -> Value?
    private var known: [GroupVersionKind: APIResource] = [:]
    private var first: Task<Void, any Error>?
    private var isLoaded = false
    private var underway: [String: Task<[APIResource], any Error>] = [:]

    /// - Parameter fetch: the answer to a GET; nil for 404.
    init(fetch: @escaping @Sendable (_ path: String, _ accept: String?) async throws -> Value?) { self.fetch = fetch }

    func resource(for kind: GroupVersionKind) async throws -> APIResource? {
        if let resource = known[kind] { return resource }
        try await load()
        if let resource = known[kind] { return resource }
        return try await refresh(kind.apiVersion).first { $0.kind == kind }
    }

    /// In whichever version the server has the kind now, the one that it prefers before others.
    func resource(for kind: GroupKind) async throws -> APIResource? {
        var versions = ["v1"]
        if !kind.group.isEmpty {
            guard let group = try await fetch("/apis/\(kind.group)", nil) else { return nil }
            versions = DiscoveryAnswer.groupVersions(["groups": [group]])
        }
        for version in versions {
            if let found = try await refresh(version).first(where: { $0.kind.groupKind == kind }) { return found }
        }
        return nil
    }

    /// Everything the server has now: from the aggregated answers, or from each group version, asked side by side.
    func all() async throws -> [APIResource] {
        async let core = fetch("/api", DiscoveryAnswer.accept)
        async let groups = fetch("/apis", DiscoveryAnswer.accept)
        let (coreAnswer, groupsAnswer) = try await (core ?? .null, groups ?? .null)
        if DiscoveryAnswer.isAggregated(groupsAnswer) {
            let all = DiscoveryAnswer.aggregated(coreAnswer) + DiscoveryAnswer.aggregated(groupsAnswer)
            keep(all)
            return all
        }
        let versions = ["v1"] + DiscoveryAnswer.groupVersions(groupsAnswer)
        let fetch = fetch
        let lists = await withTaskGroup(of: (Int, [APIResource]).self) { group in
            for (index, version) in versions.enumerated() {
                // One broken API service must not hide all the others.
                group.addTask { (index, (try? await Self.list(version, fetch)) ?? []) }
            }
            return await group.reduce(into: [(Int, [APIResource])]()) { $0.append($1) }
        }
        let all = lists.sorted { $0.0 < $1.0 }.flatMap(\.1)
        keep(all)
        return all
    }

    /// The next question about this kind goes to the server.
    func forget(_ kind: GroupVersionKind) { known[kind] = nil }

    /// The aggregated answers, once; where they are not offered each group version is asked for when it is needed.
    private func load() async throws {
        if isLoaded { return }
        if let first { return try await first.value }
        let task = Task {
            async let core = fetch("/api", DiscoveryAnswer.accept)
            async let groups = fetch("/apis", DiscoveryAnswer.accept)
            let (coreAnswer, groupsAnswer) = try await (core ?? .null, groups ?? .null)
            keep(DiscoveryAnswer.aggregated(coreAnswer) + DiscoveryAnswer.aggregated(groupsAnswer))
            isLoaded = true
        }
        first = task
        defer { first = nil }
        try await task.value
    }

    private func refresh(_ groupVersion: String) async throws -> [APIResource] {
        if let task = underway[groupVersion] { return try await task.value }
        let fetch = fetch
        let task = Task { try await Self.list(groupVersion, fetch) }
        underway[groupVersion] = task
        defer { underway[groupVersion] = nil }
        let resources = try await task.value
        keep(resources)
        return resources
    }

    private static func list(
        _ groupVersion: String, _ fetch: @Sendable (String, String?) async throws -> Value?
    ) async throws -> [APIResource] {
        let answer = try await fetch(groupVersion.contains("/") ? "/apis/\(groupVersion)" : "/api/\(groupVersion)", nil)
        return answer.map(DiscoveryAnswer.resources) ?? []
    }

    private func keep(_ resources: [APIResource]) {
        for resource in resources { known[resource.kind] = resource }
    }
}
