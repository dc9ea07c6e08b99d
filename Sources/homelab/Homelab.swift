import HomelabCLI

/// The executable: everything is in HomelabCLI, so that tests reach it.
@main
struct Homelab {
    static func main() {
        HomelabCommand.run()
    }
}
