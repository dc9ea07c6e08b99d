/// Puts a key together that was split among groups (Shamir's scheme over GF(2^8) with AES' polynomial, as HashiCorp Vault and SOPS have it):
/// each share is the values of one polynomial for each byte, at the place that its last byte says.
enum ShamirShares {
    /// nil when the shares do not belong together.
    static func combined(_ shares: [[UInt8]]) -> [UInt8]? {
        guard let length = shares.first?.count, length >= 2, shares.count >= 2, shares.allSatisfy({ $0.count == length })
        else { return nil }
        let places = shares.map { $0[length - 1] }
        guard Set(places).count == places.count, !places.contains(0) else { return nil }
        // Lagrange's weights for the place 0, at which a polynomial has the secret.
        let weights = places.map { own in
            places.filter { $0 != own }.reduce(UInt8(1)) { product($0, product($1, inverse(own ^ $1))) }
        }
        return (0..<length - 1).map { byte in
            zip(shares, weights).reduce(UInt8(0)) { $0 ^ product($1.0[byte], $1.1) }
        }
    }

    private static func product(_ a: UInt8, _ b: UInt8) -> UInt8 {
        var (a, b, result) = (a, b, UInt8(0))
        for _ in 0..<8 {
            result ^= a & (0 &- (b & 1))
            a = a << 1 ^ 0x1B & (0 &- (a >> 7))
            b >>= 1
        }
        return result
    }

    /// `a` to the power of 254.
    private static func inverse(_ a: UInt8) -> UInt8 {
        var (result, power) = (UInt8(1), a)
        for _ in 0..<7 {
            power = product(power, power)
            result = product(result, power)
        }
        return result
    }
}
