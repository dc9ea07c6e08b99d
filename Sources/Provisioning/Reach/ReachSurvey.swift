internal import Cryptography
package import Diagnostics
internal import FileSystem
package import NodeInventory
internal import NodePlanning
internal import Synchronization

/// Tries from every node to every other whether k3s' ports can be reached, by the addresses the cluster will use: on each node this
/// very program listens and another copy of it asks, so that a firewall that would only show itself later is found now. Where homelab
/// is not installed yet its binary is brought to a temporary folder and removed afterwards; nothing else is changed.
package struct ReachSurvey: Sendable {
    private let spec: ClusterSpec
    private let binaries: [Architecture: LocalBinary]
    private let recorder: RunRecorder
    private static let patience = 3.0

    package init(spec: ClusterSpec, binaries: [Architecture: LocalBinary], recorder: RunRecorder) {
        self.spec = spec
        self.binaries = binaries
        self.recorder = recorder
    }

    /// All findings about all ways between the nodes that could be looked at.
    package func findings(_ nodes: NodeObservations) async -> Diagnostics {
        let addresses = addresses(nodes)
        let probes = ReachPlan.probes(spec, addresses: addresses)
        if probes.isEmpty { return Diagnostics() }
        let names = nodes.hosts.keys.sorted().filter { addresses[$0] != nil }
        recorder.emit(.phaseStarted(title: "try the ways between the nodes", nodes: names, index: 1, count: 1))
        let start = ContinuousClock.now
        let stations = await parallel(names, limit: 20) { name in await station(name, nodes, probes, addresses) }
        let outcomes = await parallel(stations, limit: 20) { station in await station.ask(probes, stations, patience: Self.patience) }
        _ = await parallel(stations, limit: 20) { station in await station.end() }
        recorder.emit(.phaseDone(title: "try the ways between the nodes", elapsed: ContinuousClock.now - start))
        return ReachFindings.findings(outcomes.flatMap { $0 }, spec: spec, facts: nodes.observed.compactMapValues(\.facts))
    }

    /// The address the other nodes will use: nodeIP, the inventory's address, else the one on the default route's interface.
    private func addresses(_ nodes: NodeObservations) -> [String: IPAddress] {
        var addresses: [String: IPAddress] = [:]
        for node in spec.nodes where node.state == .present && nodes.hosts[node.name] != nil {
            guard let facts = nodes.observed[node.name]?.facts else { continue }
            let own = facts.network.addresses.map(\.cidr.address)
            let named = node.nodeIP ?? IPAddress(node.host)
            addresses[node.name] = named.flatMap { own.contains($0) ? $0 : nil } ?? facts.primaryAddress
        }
        return addresses
    }

    private func station(
        _ name: String, _ nodes: NodeObservations, _ probes: [ReachProbe], _ addresses: [String: IPAddress]
    ) async -> ReachStation {
        let station = ReachStation(name: name, host: nodes.hosts[name])
        guard let facts = nodes.observed[name]?.facts, let address = addresses[name] else { return station }
        await station.begin(
            binary: facts.system.architecture.flatMap { binaries[$0] }, installed: facts.agent.binary?.sha256, address: address,
            ports: ReachPlan.listeners(probes, on: name), machine: facts.system.machine)
        return station
    }
}

/// One node's part in the probes: its copy of the program and its listener.
private actor ReachStation {
    nonisolated let name: String
    private let host: (any Host)?
    private var program: String?
    private var uploaded: String?
    /// Why nothing can be tried from or to this node.
    private(set) var obstacle: String?
    /// `tcp:6443` -> `open`, `taken` or what the system says.
    private(set) var ports: [String: String] = [:]
    private var listening: Task<Void, Never>?
    /// A free UDP port on which its listener waits as well, for where a running k3s holds the one that is meant.
    var spare: Int? { ports[Self.free].flatMap { $0.hasPrefix("open ") ? Int($0.dropFirst("open ".count)) : nil } }
    private static let free = "udp:0"

    init(name: String, host: (any Host)?) {
        self.name = name
        self.host = host
    }

    func begin(binary: LocalBinary?, installed: String?, address: IPAddress, ports wanted: [ReachProbe], machine: String) async {
        guard let host else { return obstacle = "\(name) is not connected" }
        do {
            if let binary, installed == binary.sha256 {
                program = NodeLayout.homelab
            } else if let binary {
                let folder = try await host.run(RemoteCommand(["sh", "-c", Self.roomScript], asRoot: false)).output
                let path = "\(folder.split(separator: "\n").last ?? "/tmp")/homelab-probe-\(binary.sha256.prefix(16))"
                try await host.upload(
                    FileUpload(source: binary.path, destination: path, mode: 0o755, sha256: binary.sha256), progress: { _, _ in })
                (program, uploaded) = (path, path)
            } else {
                return obstacle = "there is no homelab binary for \(name) (\(machine)): give one with --agent-binary"
            }
            try await listen(host, address, wanted)
        } catch {
            obstacle = FactGatherer.diagnostic(error, node: name).summary
        }
    }

    /// The first folder from which a program can be run: /tmp may be mounted noexec.
    private static let roomScript = """
        for d in /tmp /var/tmp "$HOME"; do
          f=$(mktemp "$d/homelab-probe.XXXXXX" 2>/dev/null) || continue
          printf '#!/bin/sh\\n' >"$f"
          chmod 700 "$f"
          "$f" 2>/dev/null && r=0 || r=1
          rm -f "$f"
          [ $r != 0 ] || { echo "$d"; exit 0; }
        done
        echo /tmp
        """

    private func listen(_ host: any Host, _ address: IPAddress, _ wanted: [ReachProbe]) async throws {
        guard let program else { return }
        let spares = wanted.contains { $0.transport == .udp } ? [Self.free] : []
        let command = RemoteCommand(
            [program, "probe", "listen", "--address", address.description] + wanted.map { "\($0.transport.rawValue):\($0.port)" } + spares,
            asRoot: false)
        let (lines, feed) = AsyncStream<String>.makeStream()
        listening = Task {
            do {
                let result = try await host.streamLines(command) { feed.yield($0) }
                if !result.succeeded { feed.yield("ended \(result.complaint)") }
            } catch {
                feed.yield("ended \(FactGatherer.diagnostic(error, node: host.name).summary)")
            }
            feed.finish()
        }
        for await line in lines {
            if line == "ready" { return }
            let words = line.split(separator: " ", maxSplits: 1).map(String.init)
            if words.first == "ended" {
                obstacle = "homelab does not run on \(name): \(words.last ?? "")"
                return
            }
            if words.count == 2 { ports[words[0]] = words[1] }
        }
    }

    func ask(
        _ probes: [ReachProbe], _ stations: [ReachStation], patience: Double
    ) async -> [(probe: ReachProbe, outcome: ReachOutcome)] {
        var results: [(probe: ReachProbe, outcome: ReachOutcome)] = []
        var targets: [String: (probe: ReachProbe, isSpare: Bool)] = [:]
        for probe in probes where probe.from == name {
            let port = "\(probe.transport.rawValue):\(probe.port)"
            guard let other = stations.first(where: { $0.name == probe.to }) else { continue }
            if let obstacle {
                results.append((probe, .untried(obstacle)))
            } else if let obstacle = await other.obstacle {
                results.append((probe, .untried(obstacle)))
            } else {
                switch await other.ports[port] {
                case "open": targets["\(port) \(probe.address)"] = (probe, false)
                case "taken" where probe.transport == .tcp: targets["\(port) \(probe.address)"] = (probe, false)
                case "taken":
                    if let spare = await other.spare {
                        targets["udp:\(spare) \(probe.address)"] = (probe, true)
                    } else {
                        results.append((probe, .held(beside: nil)))
                    }
                case let reason: results.append((probe, .untried("nothing can listen on it: \(reason ?? "it said nothing")")))
                }
            }
        }
        guard let host, let program, !targets.isEmpty else { return results }
        let sorted = targets.keys.sorted()
        do {
            let answer = try await host.run(
                RemoteCommand(
                    [program, "probe", "send", "--seconds", "\(patience)"], input: .text(sorted.joined(separator: "\n") + "\n"),
                    asRoot: false))
            guard answer.succeeded else { throw Diagnostic(.error, answer.complaint) }
            let lines = answer.output.split(separator: "\n").map(String.init)
            for target in sorted {
                guard let (probe, isSpare) = targets[target] else { continue }
                let said = lines.first { $0.hasPrefix(target + " ") }.map { $0.dropFirst(target.count + 1) } ?? ""
                let outcome = ReachOutcome(String(said))
                results.append((probe, isSpare ? .held(beside: outcome) : outcome))
            }
        } catch {
            let why = FactGatherer.diagnostic(error, node: name).summary
            results += targets.values.map { ($0.probe, .untried(why)) }
        }
        return results
    }

    func end() async {
        listening?.cancel()
        await listening?.value
        guard let host, let uploaded else { return }
        // What cannot be removed now is found there by the next run, which uses or removes it.
        _ = await shielded { try? await host.run(RemoteCommand(["rm", "-f", uploaded], asRoot: false)) }
    }
}

extension ReachOutcome {
    /// From the sender's words: `ok 812`, `small 1500 812`, `refused`, `silent`, `failed …`.
    init(_ words: String) {
        let parts = words.split(separator: " ").map(String.init)
        switch parts.first {
        case "ok": self = .reached(microseconds: parts.count > 1 ? Int(parts[1]) ?? 0 : 0)
        case "small" where parts.count == 3: self = .onlySmall(largest: Int(parts[1]) ?? 0, microseconds: Int(parts[2]) ?? 0)
        case "refused": self = .refused
        case "silent": self = .silent
        case "failed": self = .failed(parts.dropFirst().joined(separator: " "))
        default: self = .untried("the asking side said nothing about it")
        }
    }
}
