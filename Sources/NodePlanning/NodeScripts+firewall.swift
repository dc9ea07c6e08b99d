/// Scripts that speak with the firewall of a node; each may be begun again after any interruption. What homelab adds is known again by its
/// name: a comment of ufw's rules, a zone and a policy of firewalld.
extension NodeScripts {
    /// program, then ports (`6443/tcp`) that are opened to all and sources that are let in wherever they want to.
    static let openFirewall = """
        set -eu
        program=$1
        shift
        isPort() { case $1 in */tcp | */udp) return 0 ;; *) return 1 ;; esac; }
        case $program in
        ufw)
            for rule; do
            if isPort "$rule"; then ufw allow "$rule" comment homelab; else ufw allow from "$rule" comment homelab; fi
            done ;;
        firewalld)
            set_up() { firewall-cmd --permanent "$@" >/dev/null; }
            known() { firewall-cmd --permanent "--get-$1" | tr ' ' '\\n' | grep -qx "$2"; }
            for rule; do
            if isPort "$rule"; then
            known policies homelab-api || set_up --new-policy=homelab-api
            set_up --policy=homelab-api --add-ingress-zone=ANY
            set_up --policy=homelab-api --add-egress-zone=HOST
            set_up --policy=homelab-api "--add-port=$rule"
            else
            known zones homelab || set_up --new-zone=homelab
            set_up --zone=homelab --set-target=ACCEPT
            set_up --zone=homelab "--add-source=$rule"
            fi
            done
            firewall-cmd --reload >/dev/null ;;
        esac
        """

    /// program, then sources that homelab let in.
    static let closeFirewall = """
        set -eu
        program=$1
        shift
        case $program in
        ufw) for source; do ufw delete allow from "$source"; done ;;
        firewalld)
            for source; do firewall-cmd --permanent --zone=homelab "--remove-source=$source" >/dev/null; done
            firewall-cmd --reload >/dev/null ;;
        esac
        """
}
