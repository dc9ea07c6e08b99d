package import ArgumentParser
import Diagnostics
import KubernetesClient
import KubernetesModel
import Reconciliation
import SyncPlanning
import YAML

/// `homelab reconcile`: asks for a look now, and waits for what comes of it.
package struct Reconcile: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "reconcile", abstract: "Reconcile a unit now, and wait until it is done.",
        discussion: "Exit status 0: it is ready, 1: it failed, or was not ready in time.")

    @OptionGroup var cluster: ClusterOption

    @Argument(help: "The unit: NAME or NAMESPACE/NAME.")
    var unit: String

    @Flag(help: "Look at its repository first.")
    var withSource = false

    @Option(help: "How many seconds to wait.")
    var timeout = 300

    package init() {}

    package func run() async throws {
        try await cluster.withCluster { api in
            let catalog = try await UnitCatalog(of: api)
            let found = try catalog.unit(named: unit)
            if found.isSuspended {
                throw Diagnostic(.error, "the unit is suspended", subject: unit, remedy: "`homelab resume \(unit)` lets it go on")
            }
            let mark = "\(SystemClock().timestamp.microseconds)"
            let patch: Value = ["metadata": ["annotations": ["reconcile.fluxcd.io/requestedAt": .string(mark)]]]
            if withSource, let source = catalog.source(of: found) {
                _ = try await api.mergePatch(
                    FluxKinds.gitRepository, namespace: source.namespace, name: source.name, patch: patch, subresource: nil)
                try await waitForLook(at: source, mark, api)
            }
            _ = try await api.mergePatch(
                FluxKinds.kustomization, namespace: found.namespace, name: found.name, patch: patch, subresource: nil)
            try await wait(for: found, mark, api)
        }
    }

    /// The unit is asked when its repository has been looked at, or it would be done with the commit before.
    private func waitForLook(at source: Manifest, _ mark: String, _ api: KubernetesClient) async throws {
        if source.isSuspended {
            throw Diagnostic(
                .error, "its repository is suspended", subject: source.key.description,
                remedy: "leave out --with-source, or set spec.suspend of the GitRepository to false")
        }
        for _ in 0..<(timeout * 5) {
            let now = try await api.get(FluxKinds.gitRepository, namespace: source.namespace, name: source.name)
            if let now, now.value[path: "status", "lastHandledReconcileAt"]?.string == mark {
                guard now.readiness.status == "False" else { return }
                throw Diagnostic(
                    .error, "its repository cannot be looked at", subject: source.key.description, cause: now.readiness.message)
            }
            try await Task.sleep(for: .milliseconds(200))
        }
        throw Diagnostic(
            .error, "its repository was not looked at within \(timeout) s", subject: source.key.description,
            remedy: "look at `homelab status` whether an agent leads")
    }

    /// How many looks in a row a failure has to last.
    private static let patience = 10

    private func wait(for unit: Manifest, _ mark: String, _ api: KubernetesClient) async throws {
        var (shown, failures) = ("", 0)
        for _ in 0..<(timeout * 2) {
            guard let now = try await api.get(FluxKinds.kustomization, namespace: unit.namespace, name: unit.name) else {
                throw Diagnostic(.error, "the unit is gone", subject: unit.name)
            }
            let (status, reason, message) = now.readiness
            switch ReconcileResult(of: now, request: mark) {
            case .done:
                Console.standard.line("\(unit.name): \(message)")
                return
            case .failed(let cause):
                failures += 1
                // What the unit tried before it heard of the request is not the last word.
                if failures > Self.patience {
                    throw Diagnostic(.error, "it failed", subject: unit.name, cause: cause, remedy: "`homelab why \(unit.name)` says why")
                }
            case .underway: failures = 0
            }
            if message != shown, status != "True" { Console.standard.problem("\(reason): \(message)") }
            shown = message
            try await Task.sleep(for: .milliseconds(500))
        }
        throw Diagnostic(
            .error, "not ready within \(timeout) s", subject: unit.name, cause: shown, remedy: "`homelab why \(unit.name)` says why")
    }
}

/// What has become of a request to reconcile, by a Kustomization's status.
enum ReconcileResult: Equatable {
    case underway
    case done
    /// With the condition's message.
    case failed(String)

    init(of unit: Manifest, request mark: String) {
        let (status, reason, message) = unit.readiness
        guard unit.value[path: "status", "lastHandledReconcileAt"]?.string == mark else {
            self = .underway
            return
        }
        if let stalled = unit.condition("Stalled"), stalled.status == "True" {
            self = .failed(stalled.message)
        } else if status == "False" {
            // What a unit waits for may come at any moment; a commit that it cannot use has come.
            let attempted = unit.value[path: "status", "lastAttemptedRevision"]?.string ?? ""
            let hasCommit = !attempted.isEmpty && attempted != unit.value[path: "status", "lastAppliedRevision"]?.string
            let isWaiting = reason == "DependencyNotReady" || (reason == "ArtifactFailed" && !hasCommit)
            self = isWaiting ? .underway : .failed(message)
        } else {
            self = status == "True" && unit.condition("Reconciling") == nil ? .done : .underway
        }
    }
}

/// `homelab suspend`: the agent leaves a unit alone, for a while or until it is resumed.
package struct Suspend: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "suspend", abstract: "Leave a unit alone: nothing is applied and nothing repaired.")

    @OptionGroup var cluster: ClusterOption

    @Argument(help: "The unit: NAME or NAMESPACE/NAME.")
    var unit: String

    @Option(name: .customLong("for"), help: "How long, 30m or 2h; until `homelab resume` when it is not given.")
    var duration: String?

    @Option(help: "Why, for the others.")
    var reason: String?

    package init() {}

    package func run() async throws {
        // What an earlier suspension said does not hold for this one.
        var annotations: Value = [KustomizationObject.suspendedUntil: nil, KustomizationObject.suspensionReason: nil]
        if let duration {
            guard let length = Duration(goText: duration) else {
                throw ValidationError("--for is a duration such as 30m or 2h, not \(duration)")
            }
            annotations[KustomizationObject.suspendedUntil] = .string(SystemClock().timestamp.advanced(by: length).description)
        }
        if let reason { annotations[KustomizationObject.suspensionReason] = .string(reason) }
        try await cluster.withCluster { [annotations] api in
            let found = try await UnitCatalog(of: api).unit(named: unit)
            _ = try await api.mergePatch(
                FluxKinds.kustomization, namespace: found.namespace, name: found.name,
                patch: ["spec": ["suspend": true], "metadata": ["annotations": annotations]], subresource: nil)
            let length = duration.map { " for \($0)" } ?? ""
            Console.standard.line("\(found.name) is suspended\(length); `homelab resume \(found.name)` lets it go on")
        }
    }
}

/// `homelab resume`: ends a suspension.
package struct Resume: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(commandName: "resume", abstract: "End the suspension of a unit.")

    @OptionGroup var cluster: ClusterOption

    @Argument(help: "The unit: NAME or NAMESPACE/NAME.")
    var unit: String

    package init() {}

    package func run() async throws {
        try await cluster.withCluster { api in
            let found = try await UnitCatalog(of: api).unit(named: unit)
            _ = try await api.mergePatch(
                FluxKinds.kustomization, namespace: found.namespace, name: found.name, patch: KustomizationObject.resumption,
                subresource: nil)
            Console.standard.line("\(found.name) goes on")
        }
    }
}

/// `homelab diff`: the plan that the agent would execute if the repository were as the files here are.
package struct Diff: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "diff",
        abstract: "Show what a unit would change if the repository were as the files here are.",
        discussion: "Exit status 0: nothing, 2: changes, 1: error. Nothing is changed.")

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
        let plan = try await result.show(of: cluster, following: ResultOptions.Followed.units) { api in
            let catalog = try await UnitCatalog(of: api)
            let found = try catalog.unit(named: unit)
            let preview = UnitPreview(
                of: found, clusters: UnitClusters(home: api, factory: ClusterOption.client),
                remotes: allowRemote ? try RemoteBases.source(followsNames: true) : nil)
            return try await preview.plan(try ClusterTree.files(at: root, of: catalog.source(of: found)))
        }
        if plan.hasChanges { throw ExitCode(2) }
    }
}
