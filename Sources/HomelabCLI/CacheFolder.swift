import FileSystem

/// Where the operator's side keeps what it fetched: `$XDG_CACHE_HOME/homelab`, by default `~/.cache/homelab`.
enum CacheFolder {
    static var path: String { (Files.environment("XDG_CACHE_HOME") ?? Files.homeDirectory + "/.cache") + "/homelab" }
}
