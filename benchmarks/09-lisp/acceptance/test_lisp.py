import subprocess
import sys
from pathlib import Path

import pytest
from lisp import Interpreter, LispError, Symbol, show


def shown(text):
    return show(Interpreter().run(text)[-1])


def check(*pairs):
    assert [(text, shown(text)) for text, _ in pairs] == list(pairs)


def message(text):
    with pytest.raises(LispError) as caught:
        Interpreter().run(text)
    return str(caught.value)


def wrong(*pairs):
    assert [(text, message(text)) for text, _ in pairs] == list(pairs)


def test_values_are_pythons():
    values = Interpreter().run('5 -5 2.5 -.5 1e3 #t #f "a\\n\\"b\\\\" \'x \'() \'(1 (a "b"))')
    assert values == [5, -5, 2.5, -0.5, 1000.0, True, False, 'a\n"b\\', "x", [], [1, ["a", "b"]]]
    assert [type(value) for value in values[:9]] == [int, int, float, float, float, bool, bool, str, Symbol]
    assert Interpreter().run(" ; nothing\n") == []


def test_showing():
    check(
        ("'(1 -2.5 #t #f () (a \"b\"))", '(1 -2.5 #t #f () (a "b"))'), ('"a\\n\\"b\\\\"', '"a\\n\\"b\\\\"'), ("car", "#<function>"),
        ("(lambda (x) x)", "#<function>"), ("'('a)", "((quote a))"), ("'+a.b!", "+a.b!"), ("'(1 ; no\n 2)", "(1 2)"),
    )  # fmt: skip


def test_reading_mistakes():
    wrong(
        (")", "unexpected )"),
        ("(1", "unexpected end"),
        ('"a', "unexpected end"),
        ("'", "unexpected end"),
        ("(')", "unexpected )"),
        ("1 (2))", "unexpected )"),
    )
    assert message('(define x 1) (error "no") (') == "unexpected end"


def test_arithmetic():
    check(
        ("(+)", "0"), ("(*)", "1"), ("(+ 1 2 3.5)", "6.5"), ("(- 5)", "-5"), ("(- 10 1 2)", "7"), ("(* 2 3 4)", "24"), ("(/ 6 3)", "2"), ("(/ 2)", "0.5"),
        ("(/ 7 2)", "3.5"), ("(/ 12 2 3)", "2"), ("(/ 6.0 3)", "2.0"), ("(/ 1)", "1"), ("(quotient -7 2)", "-4"), ("(modulo -7 2)", "1"),
    )  # fmt: skip
    wrong(
        ("(-)", "wrong number of arguments"), ("(/)", "wrong number of arguments"), ("(/ 1 0)", "division by zero"), ("(modulo 1 0)", "division by zero"),
        ("(quotient 1.0 2)", "wrong type"), ("(+ 1 #t)", "wrong type"), ('(* 2 "a")', "wrong type"), ("(modulo 1)", "wrong number of arguments"),
        ("(quotient 1 0)", "division by zero"), ("(/ 0)", "division by zero"), ("(modulo 1 2.0)", "wrong type"),
    )  # fmt: skip


def test_comparisons():
    check(
        ("(= 1 1.0)", "#t"), ("(= 1 1 2)", "#f"), ("(< 1 2 3)", "#t"), ("(< 1 3 2)", "#f"), ("(< 1 1)", "#f"), ("(> 2 1)", "#t"), ("(> 1 1)", "#f"),
        ("(<= 1 1 2)", "#t"), ("(<= 2 1)", "#f"), ("(>= 2 2 1)", "#t"), ("(>= 1 2)", "#f"), ("(not #f)", "#t"), ("(not 0)", "#f"), ("(not '())", "#f"),
    )  # fmt: skip
    wrong(("(< 1)", "wrong number of arguments"), ("(= 1 'a)", "wrong type"), ("(not)", "wrong number of arguments"))


def test_lists():
    check(
        ("(cons 1 '(2))", "(1 2)"), ("(car '(1 2))", "1"), ("(cdr '(1 2))", "(2)"), ("(list 1 (+ 1 1))", "(1 2)"), ("(list)", "()"), ("(length '(1 (2 3)))", "2"),
        ("(append '(1) '() '(2 3))", "(1 2 3)"), ("(append)", "()"), ("(reverse '(1 2 3))", "(3 2 1)"),
        ("(define a '(1 2)) (reverse a) (append a '(3)) (cdr a) (cons 0 a) a", "(1 2)"),
    )  # fmt: skip
    wrong(
        ("(cons 1 2)", "wrong type"), ("(car '())", "wrong type"), ("(cdr '())", "wrong type"), ("(car 5)", "wrong type"), ("(length 5)", "wrong type"),
        ("(append '(1) 2)", "wrong type"), ("(cons 1)", "wrong number of arguments"), ("(car '(1) '(2))", "wrong number of arguments"), ("(reverse 1)", "wrong type"),
    )  # fmt: skip


def test_kinds():
    values = ("1", "2.5", "#t", '"a"', "'a", "'()", "'(1)", "car", "(lambda () 1)")
    for name, wanted in (
        ("number?", "110000000"), ("string?", "000100000"), ("symbol?", "000010000"), ("list?", "000001100"), ("null?", "000001000"), ("function?", "000000011"),
    ):  # fmt: skip
        assert "".join("1" if shown(f"({name} {value})") == "#t" else "0" for value in values) == wanted
    wrong(
        *(
            (f"({name} 1 2)", "wrong number of arguments")
            for name in ("number?", "string?", "symbol?", "list?", "null?", "function?")
        )
    )


def test_equality():
    check(
        ("(equal? '(1 (a \"b\")) '(1 (a \"b\")))", "#t"), ("(equal? 1 1.0)", "#f"), ("(equal? #t 1)", "#f"), ("(equal? 'a \"a\")", "#f"), ("(equal? '(1) '(1 2))", "#f"),
        ("(equal? '(1) '(1.0))", "#f"), ("(equal? '() '())", "#t"), ("(equal? '() #f)", "#f"), ("(equal? '(1 2) '(2 1))", "#f"),
    )  # fmt: skip


def test_choices():
    check(
        ("(if #t 1 (car '()))", "1"), ("(if #f (car '()) 2)", "2"), ("(if #f 1)", "()"), ("(if 0 1 2)", "1"), ("(if '() 1 2)", "1"), ("(and)", "#t"), ("(or)", "#f"),
        ("(and 1 2)", "2"), ("(and 1 #f (car '()))", "#f"), ("(or #f 2 (car '()))", "2"), ("(or #f #f)", "#f"), ("(cond (#f 1) ((= 1 1) 2 3) (else 4))", "3"),
        ("(cond (#f 1) (else 4))", "4"), ("(cond (#f 1))", "()"), ("(cond)", "()"), ("(and (or #f '()) 5)", "5"),
    )  # fmt: skip


def test_names():
    check(
        ("(define x 5)", "x"), ("(define x 5) (+ x 1)", "6"), ("(define (f a b) (- a b)) (f 5 3)", "2"), ("(define (f . r) r) (f 1 2)", "(1 2)"),
        ("(define (f a . r) (list a r)) (f 1)", "(1 ())"), ("(define x 1) (set! x 2)", "2"), ("(define x 1) (define (f) (set! x 2)) (f) x", "2"),
        ("(define x 1) (define (f) (define x 2) x) (list (f) x)", "(2 1)"), ("(define x 1) (define (f x) (set! x 5) x) (list (f 3) x)", "(5 1)"), ("(define (f) 1 2 3) (f)", "3"),
        ("(define car 5) car", "5"),
    )  # fmt: skip
    wrong(
        ("x", "undefined: x"),
        ("(set! x 1)", "undefined: x"),
        ("(define (f) y) (f)", "undefined: y"),
        ("(f 1)", "undefined: f"),
    )
    assert shown("(define if 5) (if #t 1 2)") == "1"


def test_functions():
    check(
        ("((lambda (x . rest) (list x rest)) 1 2 3)", "(1 (2 3))"), ("((lambda () 7))", "7"),
        ("(define (adder n) (lambda (x) (+ x n))) (list ((adder 1) 10) ((adder 2) 10))", "(11 12)"),
        ("(define (counter) (let ((n 0)) (lambda () (set! n (+ n 1))))) (define c (counter)) (define d (counter)) (c) (c) (list (c) (d))", "(3 1)"),
        ("(define (fact n) (if (< n 2) 1 (* n (fact (- n 1))))) (fact 20)", "2432902008176640000"), ("((if #t + -) 1 2)", "3"),
    )  # fmt: skip
    wrong(
        ("((lambda (x) x))", "wrong number of arguments"), ("((lambda (x) x) 1 2)", "wrong number of arguments"), ("((lambda (x . r) x))", "wrong number of arguments"),
        ("(5 1)", "not a function: 5"), ("(\"a\" 1)", 'not a function: "a"'), ("('(1 a))", "not a function: (1 a)"),
    )  # fmt: skip


def test_let():
    check(
        ("(let ((a 1) (b 2)) (+ a b))", "3"), ("(define a 5) (let ((a 1) (b a)) b)", "5"), ("(let () 1 2)", "2"), ("(define a 1) (let ((a 2)) (set! a 3)) a", "1"),
        ("(let loop ((i 0) (l '())) (if (< i 3) (loop (+ i 1) (cons i l)) l))", "(2 1 0)"), ("(let ((x 1)) (define y 2) (+ x y))", "3"), ("(begin 1 (define z 2) z)", "2"),
        ("(define f 9) (let f ((n f)) n)", "9"),
    )  # fmt: skip
    wrong(("(let ((a 1)) 1) a", "undefined: a"), ("(let f () 1) (f)", "undefined: f"))


def test_functions_of_functions():
    check(
        ("(map (lambda (x) (* x x)) '(1 2 3))", "(1 4 9)"), ("(filter (lambda (x) (> x 1)) '(1 2 3))", "(2 3)"), ("(filter (lambda (x) 0) '(1))", "(1)"),
        ("(fold - 10 '(1 2 3))", "4"), ("(fold (lambda (a x) (cons x a)) '() '(1 2))", "(2 1)"), ("(apply + '(1 2 3))", "6"), ("(apply list '())", "()"), ("(map car '((1) (2)))", "(1 2)"),
    )  # fmt: skip
    wrong(
        ("(map 5 '(1))", "wrong type"),
        ("(map car 5)", "wrong type"),
        ("(apply + 5)", "wrong type"),
        ("(fold + 1)", "wrong number of arguments"),
        ("(filter 'a '())", "wrong type"),
        ("(fold + 0 1)", "wrong type"),
        ("(apply 1 '())", "wrong type"),
    )


def test_strings():
    check(
        ('(concat "a" "" "b")', '"ab"'),
        ("(concat)", '""'),
        ('(to-string "a")', '"a"'),
        ('(to-string \'(1 "a" b))', '"(1 \\"a\\" b)"'),
        ("(to-string #t)", '"#t"'),
    )
    wrong(('(concat "a" 5)', "wrong type"), ("(concat 'a)", "wrong type"), ("(to-string)", "wrong number of arguments"))


def test_errors_are_caught():
    check(
        ('(try (+ 1 1) (catch e 5))', "2"), ('(try (error "no") (catch e e))', '"no"'), ("(try 1 (car '()) 2 (catch e 0 (list e)))", '("wrong type")'),
        ("(try (try (f) (catch e (error (concat \"in \" e)))) (catch e e))", '"in undefined: f"'), ("(define (f n) (+ 1 (f n))) (try (f 1) (catch e e))", '"too deep"'),
    )  # fmt: skip
    wrong(
        ('(error "my own")', "my own"),
        ("(error 5)", "wrong type"),
        ('(try (error "a") (catch e e)) e', "undefined: e"),
        ('(try 1 (catch e (error "x"))) (error "y")', "y"),
    )


@pytest.mark.parametrize(
    "form",
    ["(quote)", "(quote a b)", "(if)", "(if 1)", "(if 1 2 3 4)", "(define)", "(define x)", "(define x 1 2)", "(define 5 1)", "(define (f))", "(define () 1)", "(define (5) 1)",
     "(set! x)", "(set! 5 1)", "(set! x 1 2)", "(lambda)", "(lambda (x))", "(lambda x 1)", "(lambda (5) 1)", "(let)", "(let ((a 1)))", "(let (a) 1)", "(let ((a 1 2)) 1)",
     "(let 5 1)", "(let ((5 1)) 1)", "(let f)", "(begin)", "(cond 5)", "(cond ())", "(cond (#t))", "(try 1)", "(try)", "(try (catch e 1))", "(try 1 (catch))", "(try 1 (catch e))",
     "(try 1 (catch 5 1))", "(try 1 2)"],
)  # fmt: skip
def test_bad_syntax(form):
    assert message(form) == f"bad syntax: {form[1:].rstrip(')').split()[0].split(')')[0]}"
    assert message("()") == "bad syntax: ()"


@pytest.mark.parametrize(
    "text",
    [
        "(define (f n) (if (= n 0) 7 (f (- n 1)))) (f 20000)",
        "(define (f n) (cond ((= n 0) 7) (else 1 (f (- n 1))))) (f 20000)",
        "(define (f n) (and #t (or #f (begin 1 (let ((m (- n 1))) (if (< m 0) 7 (f m))))))) (f 20000)",
        "(let loop ((n 20000)) (if (= n 0) 7 (loop (- n 1))))",
        "(define (even n) (if (= n 0) 7 (odd (- n 1)))) (define (odd n) (even (- n 1))) (even 20000)",
    ],
)
def test_tail_calls(text):
    assert shown(text) == "7"


def test_depth():
    assert shown("(define (f n) (if (= n 0) 0 (+ 1 (f (- n 1))))) (f 1000)") == "1000"
    assert message("(define (f n) (+ 1 (f n))) (f 1)") == "too deep"


def test_interpreters_share_nothing():
    first, second = Interpreter(), Interpreter()
    assert first.run("(define x 1) (define car 5)") == ["x", "car"]
    assert first.run("x") == [1]
    with pytest.raises(LispError):
        second.run("x")
    assert second.run("(car '(2))") == [2]


def program(tmp_path, text, *more):
    path = Path("lisp.py").resolve()
    (tmp_path / "p.lisp").write_text(text, encoding="utf-8")
    return subprocess.run(
        [sys.executable, str(path), "p.lisp", *more], cwd=tmp_path, capture_output=True, text=True, timeout=30
    )


def test_printing(tmp_path, capsys):
    assert shown('(print 1 "a b" \'(x "y") #t)') == "()"
    assert capsys.readouterr().out == '1 a b (x "y") #t\n'
    done = program(tmp_path, '(define x 2) (print "x" x) (print) 5')
    assert (done.returncode, done.stdout, done.stderr) == (0, "x 2\n\n", "")


def test_a_program_that_fails(tmp_path):
    done = program(tmp_path, '(print "before") (car 5) (print "after")')
    assert (done.returncode, done.stdout, done.stderr) == (1, "before\n", "error: wrong type\n")
    assert program(tmp_path, "1", "extra").returncode == 2
    missing = subprocess.run(
        [sys.executable, str(Path("lisp.py").resolve()), "absent"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert missing.returncode == 2
    assert "Traceback" not in missing.stderr
