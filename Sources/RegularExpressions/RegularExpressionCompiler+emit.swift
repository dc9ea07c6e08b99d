extension RegularExpressionCompiler {
    /// Appends the instructions of a tree: a choice tries both ways at once, a repetition leads back to its start.
    static func emit(_ tree: Tree, into program: inout [RegularExpression.Instruction]) throws(Failure) {
        guard program.count < maximumInstructions else { throw .invalid("it is too large") }
        switch tree {
        case .empty: break
        case .character(let set): program.append(.character(set))
        case .assertion(let assertion): program.append(.assertion(assertion))
        case .sequence(let items): for item in items { try emit(item, into: &program) }
        case .choice(let choices): try emit(choices: choices, into: &program)
        case .repetition(let item, let minimum, let maximum):
            for _ in 0..<minimum {
                let before = program.count
                try emit(item, into: &program)
                // What is empty once is empty a thousand times a thousand times.
                if program.count == before { break }
            }
            if let maximum {
                try emit(optional: item, times: maximum - minimum, into: &program)
            } else {
                let split = program.count
                program.append(.jump(0))
                try emit(item, into: &program)
                program.append(.jump(split))
                program[split] = .split(split + 1, program.count)
            }
        }
    }

    private static func emit(choices: [Tree], into program: inout [RegularExpression.Instruction]) throws(Failure) {
        var exits: [Int] = []
        for (index, choice) in choices.enumerated() {
            guard index < choices.count - 1 else {
                try emit(choice, into: &program)
                break
            }
            let split = program.count
            program.append(.jump(0))
            try emit(choice, into: &program)
            exits.append(program.count)
            program.append(.jump(0))
            program[split] = .split(split + 1, program.count)
        }
        for exit in exits { program[exit] = .jump(program.count) }
    }

    private static func emit(optional item: Tree, times: Int, into program: inout [RegularExpression.Instruction]) throws(Failure) {
        var splits: [Int] = []
        for _ in 0..<times {
            splits.append(program.count)
            program.append(.jump(0))
            try emit(item, into: &program)
        }
        for split in splits { program[split] = .split(split + 1, program.count) }
    }
}
