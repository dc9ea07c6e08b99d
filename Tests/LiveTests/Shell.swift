import Foundation

/// Runs a program to its end and keeps what it said.
struct Shell {
    struct Result {
        let status: Int32
        let output: String
        let errors: String

        var succeeded: Bool { status == 0 }
        var text: String { output + errors }
    }

    struct Failure: Error, CustomStringConvertible {
        let command: [String]
        let result: Result

        var description: String {
            "\(command.joined(separator: " ")): exit status \(result.status)\n\(result.errors.suffix(4000))\n\(result.output.suffix(2000))"
        }
    }

    /// Standard input is empty; a program that has not ended after `limit` seconds is killed and gives status 137.
    @discardableResult
    static func run(
        _ command: [String], in directory: String? = nil, environment: [String: String] = [:], limit: Double = 300
    ) throws -> Result {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = command
        if let directory { process.currentDirectoryURL = URL(fileURLWithPath: directory) }
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardInput = FileHandle.nullDevice
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("homelab-live-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        // Files, not pipes: a machine's processes may inherit them and outlive the command.
        let outputFile = folder.appendingPathComponent("output")
        let errorFile = folder.appendingPathComponent("errors")
        for file in [outputFile, errorFile] { _ = FileManager.default.createFile(atPath: file.path, contents: nil) }
        process.standardOutput = try FileHandle(forWritingTo: outputFile)
        process.standardError = try FileHandle(forWritingTo: errorFile)
        try process.run()
        let deadline = Date().addingTimeInterval(limit)
        while process.isRunning {
            if Date() > deadline { kill(process.processIdentifier, SIGKILL) }
            usleep(10_000)
        }
        return Result(
            status: process.terminationReason == .exit ? process.terminationStatus : 128 + process.terminationStatus,
            output: (try? String(contentsOf: outputFile, encoding: .utf8)) ?? "",
            errors: (try? String(contentsOf: errorFile, encoding: .utf8)) ?? "")
    }

    /// As ``run(_:in:environment:limit:)``, but a status other than 0 is thrown.
    @discardableResult
    static func must(
        _ command: [String], in directory: String? = nil, environment: [String: String] = [:], limit: Double = 300
    ) throws -> String {
        let result = try run(command, in: directory, environment: environment, limit: limit)
        guard result.succeeded else { throw Failure(command: command, result: result) }
        return result.output
    }
}
