import Diagnostics
import YAML

/// The kustomization that stands for a directory without one, by Flux's rule: every YAML file below it is a resource, a
/// sub-directory with a kustomization of its own is one resource and not looked into.
struct GeneratedKustomization {
    private let place: Place
    private let run: BuildRun

    private static let leftOut: Set<String> = [
        ".git", ".github", ".gitlab", ".circleci", ".gitlab-ci.yml", ".travis.yml", ".goreleaser.yml", ".goreleaser.brew.yml",
        ".flux.yaml", ".flux.yml", ".sops.yaml", ".gitignore", ".gitmodules", ".gitattributes", ".sourceignore", "appveyor.yml",
        ".drone.yml", "cloudbuild.yaml", "codeship-services.yml", "codeship-steps.yml",
    ]

    init(_ place: Place, _ run: BuildRun) {
        self.place = place
        self.run = run
    }

    func file(_ display: String) throws(Diagnostics) -> KustomizationFile? {
        var (resources, findings): ([String], Diagnostics) = ([], Diagnostics())
        do throws(FileTreeError) {
            try walk("", depth: 0, into: &resources, &findings)
        } catch {
            throw Diagnostics([Diagnostic(.error, "\(display): the directory cannot be listed", cause: error.reason)])
        }
        try findings.throwIfErrors()
        var kustomization = Kustomization()
        kustomization.resources = resources.map { Located(value: $0, mark: .start) }
        return KustomizationFile(name: "kustomization.yaml", display: display, kustomization: kustomization)
    }

    private func walk(
        _ path: String, depth: Int, into resources: inout [String], _ findings: inout Diagnostics
    ) throws(FileTreeError) {
        guard depth <= run.options.limits.depth else { throw FileTreeError("it is deeper than \(run.options.limits.depth) levels") }
        let directory = path.isEmpty ? place.directory : Path.join(place.directory, path) ?? place.directory
        if place.remote == nil { run.inputs.insert(directory) }
        for name in try place.tree.entries(directory).sorted(by: { $0.utf8.lexicographicallyPrecedes($1.utf8) }) {
            if Self.leftOut.contains(name) { continue }
            let relative = path.isEmpty ? name : path + "/" + name
            let full = Path.join(place.directory, relative) ?? relative
            do throws(FileTreeError) {
                try add(relative, full, depth: depth, to: &resources, &findings)
            } catch {
                findings.append(
                    Diagnostic(
                        .error, "it cannot be read", at: SourceLocation(file: run.display(full, in: place), line: 1), cause: error.reason,
                        remedy: "put what it stands for in its place, or name it in .sourceignore"))
            }
        }
    }

    private func add(
        _ relative: String, _ full: String, depth: Int, to resources: inout [String], _ findings: inout Diagnostics
    ) throws(FileTreeError) {
        guard let entry = try place.tree.resolve(full) else { return }
        if !entry.isDirectory {
            if relative.hasSuffix(".yaml") || relative.hasSuffix(".yml") { resources.append(relative) }
            return
        }
        // A link to a directory is not followed: it could lead round in circles.
        guard entry.path == full else { return }
        if try hasKustomization(full) { return resources.append(relative) }
        try walk(relative, depth: depth + 1, into: &resources, &findings)
    }

    private func hasKustomization(_ directory: String) throws(FileTreeError) -> Bool {
        for name in Kustomization.fileNames {
            if let entry = try place.tree.resolve(directory + "/" + name), !entry.isDirectory { return true }
        }
        return false
    }
}
