import Diagnostics
package import KubernetesModel
import YAML

/// An API server in memory: resourceVersions, generations, server-side apply with owned fields, finalizers, owner references, namespaces
/// that must exist, and watches that can be resumed, dropped or expired. It knows the kinds it was given and answers only the raw paths
/// it was told; everything else is an error, as a test that asks for it has a reason to see.
package actor FakeClusterAPI: ClusterAPI {
    /// One call, for tests that count or order them.
    package struct Request: Hashable, Sendable {
        package var verb: Verb
        package var kind: GroupVersionKind
        package var namespace: String
        package var name: String
        package var isDryRun = false
        /// With whose rights, where not the caller's own.
        package var user: String?
    }

    package enum Verb: String, Hashable, Sendable { case get, list, apply, create, replace, patch, delete, watch, raw, discover, token }

    var resources: [GroupKind: APIResource]
    var objects: [ObjectKey: Manifest] = [:]
    var ownership: [ObjectKey: FieldOwnership] = [:]
    var clock: Int64 = 1
    var nextUID = 0
    var history: [HistoryEntry] = []
    var compactedBefore: Int64 = 0
    var watchers: [Int: Watcher] = [:]
    var nextWatcher = 0
    var failures: [InjectedFailure] = []
    var happenings: [Happening] = []
    var rawAnswers: [String: (status: Int, body: String)]
    var isReachable = true
    var tokens = 0
    /// Of the tokens that are given from now on.
    var tokenLifetime = Duration.seconds(3600)
    /// Every call so far, refused ones too.
    package private(set) var requests: [Request] = []

    /// - Parameter name: tells clusters apart.
    package init(resources: [APIResource] = FakeClusterAPI.builtInResources, objects: [Manifest] = [], name: String = "") {
        self.resources = Dictionary(resources.map { ($0.kind.groupKind, $0) }) { $1 }
        rawAnswers = ["/readyz": (200, "ok")]
        for namespaceName in ["default", "kube-system"] {
            let namespace = Manifest([
                "apiVersion": "v1", "kind": "Namespace", "metadata": ["name": .string(namespaceName)], "status": ["phase": "Active"],
            ])
            let stored = Self.stamped(namespace, uid: "uid-\(namespaceName)\(name)", clock: 1)
            self.objects[namespace.key] = stored
        }
        for manifest in objects {
            clock += 1
            nextUID += 1
            self.objects[manifest.key] = Self.stamped(manifest, uid: "uid-\(nextUID)", clock: clock)
        }
    }

    package func forgetRequests() { requests = [] }

    /// Notes the call, then fails it if it was told to.
    func begin(_ verb: Verb, _ kind: GroupVersionKind, _ namespace: String, _ name: String, isDryRun: Bool = false, user: String? = nil)
        throws
    {
        requests.append(Request(verb: verb, kind: kind, namespace: namespace, name: name, isDryRun: isDryRun, user: user))
        let subject = ObjectKey(group: kind.group, kind: kind.kind, namespace: namespace, name: name).description
        guard isReachable else { throw ClusterError(.unreachable, subject: subject, message: "connection refused") }
        if let index = failures.firstIndex(where: { $0.matches(verb, kind.groupKind, name, user) }) {
            let error = failures[index].error
            failures[index].times -= 1
            if failures[index].times <= 0 { failures.remove(at: index) }
            throw error
        }
    }

    @discardableResult
    func known(_ kind: GroupVersionKind) throws -> APIResource {
        guard let resource = resources[kind.groupKind], resource.kind.version == kind.version else {
            throw ClusterError(.unknownKind, subject: kind.description, message: "the server knows no such kind")
        }
        return resource
    }

    func key(_ kind: GroupVersionKind, _ namespace: String, _ name: String) throws -> ObjectKey {
        let isNamespaced = try known(kind).isNamespaced
        return ObjectKey(group: kind.group, kind: kind.kind, namespace: isNamespaced ? namespace : "", name: name)
    }

    package func resource(for kind: GroupVersionKind) async throws -> APIResource? {
        try begin(.discover, kind, "", "")
        return resources[kind.groupKind].flatMap { $0.kind.version == kind.version ? $0 : nil }
    }

    package func resource(for kind: GroupKind) async throws -> APIResource? {
        try begin(.discover, GroupVersionKind(group: kind.group, version: "", kind: kind.kind), "", "")
        return resources[kind]
    }

    package func get(_ kind: GroupVersionKind, namespace: String, name: String, as user: String?) async throws -> Manifest? {
        try begin(.get, kind, namespace, name, user: user)
        try await pass(.get, name)
        return objects[try key(kind, namespace, name)]
    }

    package func list(_ kind: GroupVersionKind, namespace: String, labelSelector: String?) async throws -> ObjectList {
        try begin(.list, kind, namespace, "")
        try known(kind)
        let selector = try LabelSelector(labelSelector)
        let items = objects.values.filter {
            $0.key.groupKind == kind.groupKind && (namespace.isEmpty || $0.namespace == namespace) && selector.matches($0)
        }
        return ObjectList(items: items.map(Self.withoutWriters).sorted { $0.key < $1.key }, resourceVersion: String(clock))
    }

    /// `token 1 of default/far for a, b`, if there is such a ServiceAccount.
    package func requestToken(namespace: String, serviceAccount: String, audiences: [String]) async throws -> ServiceAccountToken {
        let kind = GroupVersionKind(group: "", version: "v1", kind: "ServiceAccount")
        try begin(.token, kind, namespace, serviceAccount)
        guard objects[try key(kind, namespace, serviceAccount)] != nil else { throw missing(try key(kind, namespace, serviceAccount)) }
        tokens += 1
        let text = "token \(tokens) of \(namespace)/\(serviceAccount) for \(audiences.joined(separator: ", "))"
        return ServiceAccountToken(text: Secret(text), lifetime: tokenLifetime)
    }

    package func raw(_ path: String) async throws -> (status: Int, body: String) {
        try begin(.raw, GroupVersionKind(group: "", version: "", kind: ""), "", path)
        guard let answer = rawAnswers[path] else {
            throw ClusterError(.badRequest, subject: path, message: "the fake was not told what to answer here")
        }
        return answer
    }
}

/// The equality selectors that the project uses: `a=b,c=d`, `a`, `a!=b`.
struct LabelSelector {
    private var terms: [(key: String, value: String?, isNegated: Bool)] = []

    init(_ text: String?) throws {
        for term in (text ?? "").split(separator: ",") {
            let isNegated = term.contains("!=")
            let sides = term.split(separator: "=", maxSplits: 1).map { $0.filter { $0 != "!" && $0 != " " && $0 != "=" } }
            guard !term.contains("("), let key = sides.first else {
                throw ClusterError(.badRequest, subject: text ?? "", message: "the fake does not know this selector")
            }
            terms.append((key, sides.count > 1 ? sides[1] : nil, isNegated))
        }
    }

    func matches(_ manifest: Manifest) -> Bool {
        terms.allSatisfy { term in
            let label = manifest.label(term.key)
            guard let value = term.value else { return label != nil }
            return (label == value) != term.isNegated
        }
    }
}
