package import ArgumentParser
import NodeInventory

/// `homelab schema`: the inventory's format for editors.
package struct Schema: ParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "schema",
        abstract: "Print the JSON Schema of the inventory, for editors to complete and check it.")

    package init() {}

    package func run() { Console.standard.line(JSONSchema.text) }
}
