import Diagnostics
import Foundation
import NodeInventory
import Testing

@testable import NodePlanning

@Suite struct NodeFactsTests {
    private func recorded(_ path: String) throws -> String { try #require(PlanningCase.named("fresh-three-servers").text("facts/" + path)) }

    @Test func aFileEditedOnWindowsHidesNothingBehindIt() throws {
        let line = "command-line=/boot/firmware/cmdline.txt root=x quiet"
        let text = try recorded("s1.txt").replacingOccurrences(of: "\nend", with: "\n\(line)\r\nbooted-with=root=x\r\nend")
        let facts = try NodeFacts.parse(text)
        #expect(facts.kernel.commandLine?.text == "root=x quiet")
        #expect(facts.kernel.bootedWith == "root=x")
    }

    @Test func raspberryPi() throws {
        let facts = try NodeFacts.parse(recorded("pi.txt"))
        #expect(facts.system.id == "debian")
        #expect(facts.system.architecture == .arm64)
        #expect(facts.system.model == "Raspberry Pi 4 Model B Rev 1.5")
        #expect(!facts.kernel.cgroupControllers.contains("memory"))
        #expect(facts.kernel.commandLine?.path == "/boot/firmware/cmdline.txt")
        #expect(facts.kernel.commandLine?.text.hasPrefix("console=serial0,115200 console=tty1") == true)
        #expect(facts.kernel.loadable.contains("br_netfilter"))
        #expect(facts.primaryAddress == IPAddress("10.0.0.4"))
        #expect(facts.files[NodeLayout.k3sConfig] == .absent)
        #expect(facts.installedRole == nil)
    }

    @Test func theOwnEndOfALineFromPointToPointIsAnAddress() throws {
        let text = try recorded("s1.txt").replacing("\nend", with: "\naddress=tun0 10.8.0.6 static\nend")
        let last = try #require(try NodeFacts.parse(text).network.addresses.last)
        #expect(last.interface == "tun0" && last.cidr == CIDR("10.8.0.6/32"))
    }

    @Test func fedora() throws {
        let facts = try NodeFacts.parse(recorded("fed.txt"))
        #expect(facts.kernel.selinux == "enforcing" && !facts.kernel.hasK3sPolicy)
        #expect(facts.network.firewall == "firewalld")
        #expect(facts.network.addresses.map(\.dynamic) == [true])
        #expect(facts.resources.free["/var/lib/rancher"] == Int64(40_000_000 * 1024))
    }

    @Test func runningServer() throws {
        let facts = try NodeFacts.parse(#require(PlanningCase.named("config-change").text("facts/s1.txt")))
        #expect(facts.installedRole == .server)
        #expect(facts.isActive("k3s.service"))
        #expect(facts.units["k3s.service"]?.started == 1_795_400_000)
        #expect(facts.k3s.datastore == .etcd)
        #expect(facts.k3s.binary?.version == "v1.33.4+k3s1")
        #expect(facts.k3s.config?.hasPrefix("cluster-init: true\n") == true)
        #expect(facts.files[NodeLayout.token] == .file(sha256: nil, mode: "0600", owner: "root", modified: 1_795_300_000))
        #expect(facts.agent.repositoryOwner == "ops")
        #expect(facts.network.listeners.contains(.init(port: 6443, program: "k3s-server")))
    }

    @Test func bannerIsPassedOverAndTruncationIsNot() throws {
        let text = try recorded("s1.txt")
        let facts = try NodeFacts.parse("Welcome to s1\n=== keep out ===\n" + text)
        let plain = try NodeFacts.parse(text)
        #expect(facts == plain)
        #expect(throws: Diagnostic.self) { try NodeFacts.parse(String(text.dropLast(20))) }
        #expect(throws: Diagnostic.self) { try NodeFacts.parse("") }
        let torn = text.replacingOccurrences(of: "cpus=4", with: "killed")
        #expect(throws: Diagnostic.self) { try NodeFacts.parse(torn) }
    }

    @Test func everyFileThatIsComparedIsLookedAt() throws {
        let plan = try PlanningCase.named("repository-over-https").plan()
        for planned in plan.phases.flatMap(\.tasks).flatMap(\.steps) {
            guard let path = planned.step.path, !path.hasPrefix("/usr/local/bin"), path != NodeLayout.repository else { continue }
            #expect(FactsScript.files.contains(path), "\(path)")
        }
    }
}
