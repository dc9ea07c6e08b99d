package import Foundation

/// The program that was built with the tests: it lies beside them.
package enum BuiltProgram {
    package static let url = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
        .appending(path: "homelab")
}
