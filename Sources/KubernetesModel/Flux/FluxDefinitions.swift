internal import YAML

extension FluxKinds {
    /// The definitions of the kinds the agent serves, in Flux's shape, for clusters that have none.
    package static var definitions: [Manifest] {
        get throws {
            try [PackageResources.gitrepositories_yaml, PackageResources.kustomizations_yaml, PackageResources.receivers_yaml].flatMap {
                try YAMLReader.values(bytes: $0, file: "definitions").map { Manifest($0) }
            }
        }
    }
}
