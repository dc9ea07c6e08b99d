import ArgumentParser
import Diagnostics
import Foundation
import NodeInventory
import Testing

@testable import HomelabCLI

@Suite struct CommandLineTests {
    @Test func columnsAreAsWideAsTheirWidestCellAndColourHasNoWidth() {
        var table = Table(header: ["NAME", "STATE"])
        table.append(["\u{1B}[32mm1\u{1B}[0m", "Ready"])
        table.append(["longer-name", "Pending"])
        #expect(table.text == "NAME          STATE\n\u{1B}[32mm1\u{1B}[0m            Ready\nlonger-name   Pending")
    }

    @Test(arguments: ["home", "a", "lab-2"]) func namesOfClusters(_ name: String) { #expect(Init.isName(name)) }

    @Test(arguments: ["", "2home", "Home", "home_lab", "home-", String(repeating: "a", count: 64)])
    func namesThatCannotBe(_ name: String) { #expect(!Init.isName(name)) }

    @Test func theStarterRepositoryIsValid() throws {
        let starter = StarterRepository(cluster: "home")
        let texts = Dictionary(uniqueKeysWithValues: starter.files.map { ($0.path, $0.text) })
        let spec = try ClusterSpec.load("inventory/home.yaml", files: texts)
        #expect(spec.servers.map(\.name) == ["first"])
        let folder = NSTemporaryDirectory() + "homelab-starter-" + UUID().uuidString
        defer { try? FileManager.default.removeItem(atPath: folder) }
        for (path, text) in texts {
            let file = folder + "/" + path
            try FileManager.default.createDirectory(
                atPath: (file as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
            try text.write(toFile: file, atomically: true, encoding: .utf8)
        }
        let (objects, problems) = ClusterTree(directory: folder + "/clusters/home").check()
        #expect(objects == 4)
        #expect(problems.isEmpty, "\(problems)")
    }

    @Test func initWritesOverNothing() async throws {
        let folder = NSTemporaryDirectory() + "homelab-init-" + UUID().uuidString
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try FileManager.default.createDirectory(atPath: folder + "/inventory", withIntermediateDirectories: true)
        try "mine\n".write(toFile: folder + "/inventory/home.yaml", atomically: true, encoding: .utf8)
        let command = try Init.parse([folder])
        try await command.run()
        #expect(try String(contentsOfFile: folder + "/inventory/home.yaml", encoding: .utf8) == "mine\n")
        #expect(FileManager.default.fileExists(atPath: folder + "/clusters/home/hello/kustomization.yaml"))
    }

    @Test func everyCommandExplainsItself() {
        for command in HomelabCommand.configuration.subcommands + HomelabCommand.configuration.groupedSubcommands.flatMap(\.subcommands) {
            #expect(!command.configuration.abstract.isEmpty, "\(command)")
        }
    }
}
