package import ArgumentParser
import Diagnostics
import FileSystem
import KubernetesClient
import KubernetesModel
import Reconciliation
import SyncPlanning
import YAML

/// `homelab reconcile`: asks for a look now, and waits for what comes of it.
package struct Reconcile: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "reconcile", abstract: "Reconcile a unit or a source now, and wait until it is done.",
        discussion: "Exit status 0: it is ready, 1: it failed, or was not ready in time.")

    @OptionGroup var cluster: ClusterOption

    @Argument(help: unitOrSource)
    var name: String

    @Flag(help: "Look at the unit's repository first.")
    var withSource = false

    @Option(help: "How many seconds to wait.")
    var timeout = 300

    package init() {}

    package func validate() throws {
        if timeout < 1 { throw ValidationError("--timeout is a number of seconds, 1 or more") }
    }

    package func run() async throws {
        try await cluster.withCluster { api in Console.standard.line(try await reconcile(api)) }
    }

    /// What came of it, for people.
    func reconcile(_ api: any ClusterAPI) async throws -> String {
        let catalog = try await UnitCatalog(of: api)
        let found = try catalog.unitOrSource(named: name)
        if withSource, found.key.unit == nil {
            throw Diagnostic(.error, "--with-source goes with a unit, and this is a source itself", subject: name, remedy: "leave it out")
        }
        if found.isSuspended {
            throw Diagnostic(
                .error, "the \(found.key.unit == nil ? "source" : "unit") is suspended", subject: name,
                remedy: "`homelab resume \(found.commandName)` lets it go on")
        }
        let mark = "\(SystemClock().timestamp.microseconds)"
        if withSource {
            guard let source = catalog.source(of: found) else {
                throw Diagnostic(
                    .error, "its repository is not there", subject: name, cause: "there is no \(KustomizationSpec(of: found).source)",
                    remedy: "leave out --with-source, or see what `homelab get sources` lists")
            }
            try await ask(source, mark, api)
            try await waitForLook(at: source, mark, api)
        }
        try await ask(found, mark, api)
        return try await wait(for: found, mark, api)
    }

    private func ask(_ object: Manifest, _ mark: String, _ api: any ClusterAPI) async throws {
        let patch: Value = ["metadata": ["annotations": [FluxKinds.requestedAt: .string(mark)]]]
        _ = try await api.mergePatch(
            object.groupVersionKind, namespace: object.namespace, name: object.name, patch: patch, subresource: nil)
    }

    /// The unit is asked when its repository has been looked at, or it would be done with the commit before.
    private func waitForLook(at source: Manifest, _ mark: String, _ api: any ClusterAPI) async throws {
        if source.isSuspended {
            throw Diagnostic(
                .error, "its repository is suspended", subject: source.key.description,
                remedy: "leave out --with-source, or let it go on: `homelab resume \(source.commandName)`")
        }
        Console.standard.problem("waits for a look at \(source.key), \(timeout) s at most")
        let deadline = ContinuousClock.now + .seconds(timeout)
        while ContinuousClock.now < deadline {
            let now = try await api.get(FluxKinds.gitRepository, namespace: source.namespace, name: source.name)
            if let now, now.hasHandled(mark) {
                guard now.readiness.status == "False" else { return }
                throw Diagnostic(
                    .error, "its repository cannot be looked at", subject: source.key.description, cause: now.readiness.message)
            }
            try await Task.sleep(for: .milliseconds(200))
        }
        throw Diagnostic(
            .error, "its repository was not looked at within \(timeout) s", subject: source.key.description,
            cause: try await Leadership(of: api).complaint, remedy: Self.whoLeads)
    }

    private static let whoLeads = "look at `homelab status` whether an agent leads"

    /// How many looks in a row a failure has to last: what a unit tried before it heard of the request is not the last word. A source
    /// answers with what the look brought.
    private static func patience(with object: Manifest) -> Int { object.key.unit == nil ? 0 : 10 }

    private func wait(for object: Manifest, _ mark: String, _ api: any ClusterAPI) async throws -> String {
        let name = object.commandName
        let remedy = "`homelab why \(name)` says why"
        var (shown, failures, isHandled) = ("", 0, false)
        Console.standard.problem("waits for a look at \(name), \(timeout) s at most")
        let deadline = ContinuousClock.now + .seconds(timeout)
        while ContinuousClock.now < deadline {
            guard let now = try await api.get(object.groupVersionKind, namespace: object.namespace, name: object.name) else {
                throw Diagnostic(.error, "it is gone", subject: name)
            }
            let (status, reason, message) = now.readiness
            isHandled = now.hasHandled(mark)
            switch ReconcileResult(of: now, request: mark) {
            case .done: return "\(name): \(message)"
            case .failed(let cause):
                failures += 1
                if failures > Self.patience(with: object) {
                    throw Diagnostic(.error, "it failed", subject: name, cause: cause, remedy: remedy)
                }
            case .underway: failures = 0
            }
            if message != shown, status != "True" { Console.standard.problem("\(reason): \(message)") }
            shown = status == "True" ? "" : message
            try await Task.sleep(for: .milliseconds(500))
        }
        if isHandled { throw Diagnostic(.error, "not ready within \(timeout) s", subject: name, cause: shown, remedy: remedy) }
        let leader = try await Leadership(of: api)
        throw Diagnostic(
            .error, "the look at it did not end within \(timeout) s", subject: name,
            cause: leader.complaint.isEmpty ? shown : leader.complaint, remedy: leader.complaint.isEmpty ? remedy : Self.whoLeads)
    }
}

private let unitOrSource: ArgumentHelp =
    "A unit (NAME, NAMESPACE/NAME) or a source (gitrepository/NAME, gitrepository/NAMESPACE/NAME)."

extension Manifest {
    /// Whether whoever keeps the object has done what this request asked for.
    fileprivate func hasHandled(_ request: String) -> Bool { value[path: "status", "lastHandledReconcileAt"]?.string == request }
}

/// What has become of a request to reconcile, by the status of a Kustomization or GitRepository.
enum ReconcileResult: Equatable {
    case underway
    case done
    /// With the condition's message.
    case failed(String)

    init(of object: Manifest, request mark: String) {
        let (status, reason, message) = object.readiness
        guard object.hasHandled(mark) else {
            self = .underway
            return
        }
        if let stalled = object.condition("Stalled"), stalled.status == "True" {
            self = .failed(stalled.message)
        } else if status == "False" {
            // What a unit waits for may come at any moment; a commit that it cannot use has come.
            let state = KustomizationStatus(of: object)
            let hasCommit = !state.lastAttemptedRevision.isEmpty && state.lastAttemptedRevision != state.lastSentRevision
            let isWaiting =
                ["DependencyNotReady", "HealthCheckCanceled"].contains(reason) || (reason == "ArtifactFailed" && !hasCommit)
            self = isWaiting ? .underway : .failed(message)
        } else {
            self = status == "True" && object.condition("Reconciling") == nil ? .done : .underway
        }
    }
}

/// `homelab suspend`: the agent leaves a unit or a source alone, for a while or until it is resumed.
package struct Suspend: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "suspend", abstract: "Leave a unit alone (nothing is applied, nothing repaired) or a source (it is not looked at).",
        discussion: "The last commit of a suspended source stays in force: its units are repaired as that says.")

    @OptionGroup var cluster: ClusterOption

    @Argument(help: unitOrSource)
    var name: String

    @Option(name: .customLong("for"), help: "How long, 30m or 2h; until `homelab resume` when it is not given. Of a unit only.")
    var duration: String?

    @Option(help: "Why, for the others.")
    var reason: String?

    package init() {}

    package func validate() throws { _ = try length }

    /// How long; nil for no end.
    private var length: Duration? {
        get throws {
            guard let duration else { return nil }
            guard let length = Duration(goText: duration) else {
                throw ValidationError("--for is a duration such as 30m or 2h, not \(duration)")
            }
            return length
        }
    }

    package func run() async throws {
        try await cluster.withCluster { api in Console.standard.line(try await suspend(api)) }
    }

    /// What is so from now on, for people.
    func suspend(_ api: any ClusterAPI) async throws -> String {
        // What an earlier suspension said does not hold for this one.
        var annotations: Value = [KustomizationObject.suspendedUntil: nil, KustomizationObject.suspensionReason: nil]
        if let length = try length {
            annotations[KustomizationObject.suspendedUntil] = .string(SystemClock().timestamp.advanced(by: length).description)
        }
        if let reason { annotations[KustomizationObject.suspensionReason] = .string(reason) }
        let catalog = try await UnitCatalog(of: api)
        let found = try catalog.unitOrSource(named: name)
        if found.key.unit == nil { try await refuse(found, catalog, api) }
        _ = try await api.mergePatch(
            found.groupVersionKind, namespace: found.namespace, name: found.name,
            patch: ["spec": ["suspend": true], "metadata": ["annotations": annotations]], subresource: nil)
        let time = duration.map { " for \($0)" } ?? ""
        return "\(found.commandName) is suspended\(time); `homelab resume \(found.commandName)` lets it go on"
    }

    private func refuse(_ source: Manifest, _ catalog: UnitCatalog, _ api: any ClusterAPI) async throws {
        if duration != nil {
            throw Diagnostic(
                .error, "--for goes with a unit", subject: name,
                remedy: "leave it out: a source stays suspended until `homelab resume \(source.commandName)`")
        }
        if try await catalog.isAgentsOwn(source, api) {
            throw Diagnostic(
                .error, "the agent follows its own repository whatever this object says", subject: source.key.description,
                remedy: "`homelab suspend UNIT` leaves a unit alone")
        }
    }
}

/// `homelab resume`: ends a suspension.
package struct Resume: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "resume", abstract: "End the suspension of a unit or a source.")

    @OptionGroup var cluster: ClusterOption

    @Argument(help: unitOrSource)
    var name: String

    package init() {}

    package func run() async throws {
        try await cluster.withCluster { api in Console.standard.line(try await resume(api)) }
    }

    /// What is so from now on, for people.
    func resume(_ api: any ClusterAPI) async throws -> String {
        let found = try await UnitCatalog(of: api).unitOrSource(named: name)
        _ = try await api.mergePatch(
            found.groupVersionKind, namespace: found.namespace, name: found.name, patch: KustomizationObject.resumption, subresource: nil)
        return "\(found.commandName) goes on"
    }
}

/// `homelab diff`: the plan that the agent would execute if the repository were as the files here are.
package struct Diff: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "diff",
        abstract: "Show what a unit would change if the repository were as the files here are.",
        discussion: """
            The unit is planned as the files define it; where they do not, as the cluster has it: standard error says which.
            Exit status 0: nothing, 2: changes, 1: error. Nothing is changed.
            """)

    @OptionGroup var cluster: ClusterOption
    @OptionGroup var result: ResultOptions

    @Argument(help: "The unit: NAME or NAMESPACE/NAME.")
    var unit: String

    @Option(help: "The root of the repository's files.")
    var root = "."

    @Flag(help: "Fetch what is named by URL, branches as they are now; kept in the cache folder.")
    var allowRemote = false

    package init() {}

    package func run() async throws {
        var told = ""
        let plan = try await result.show(of: cluster, following: ResultOptions.Followed.units) { api in
            let catalog = try await UnitCatalog(of: api)
            let files = try await definitions(catalog, api)
            let found = try PlannedUnit(named: unit, in: catalog, files: files)
            if found.note != told { Console.standard.problem("\(found.object.namespace)/\(found.object.name): \(found.note)") }
            told = found.note
            let preview = UnitPreview(
                of: found.object, clusters: UnitClusters(home: api, factory: ClusterOption.client),
                remotes: allowRemote ? try RemoteBases.source(followsNames: true) : nil,
                others: OtherUnits(than: found.object, in: files, of: catalog.units))
            return try await preview.plan(try ClusterTree.files(at: root, of: catalog.source(of: found.object)))
        }
        if plan.hasChanges { throw ExitCode(2) }
    }

    /// What the files here define; nil where they have no directory that an agent of the cluster covers.
    private func definitions(_ catalog: UnitCatalog, _ api: any ClusterAPI) async throws -> RepositoryUnits? {
        let reports = try await StatusReport.all(api)
        guard let report = reports.first(where: { Files.exists(root + "/" + $0.path) }) else { return nil }
        let source = catalog.units.first { $0.key.unit == report.owner }.map { KustomizationSpec(of: $0).source }
        return try ClusterTree(
            directory: report.path, root: root, own: source.map { Ownership(namespace: $0.namespace, name: $0.name) }
        ).units()
    }
}
