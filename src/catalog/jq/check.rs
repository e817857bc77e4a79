//! The check of a parsed filter: which names, variables and forms it uses. Knows jq's syntax tree;
//! runs nothing.

use jaq_core::{
    load::{
        lex::{Lexer, StrPart, Tok, Token},
        parse::{BinaryOp, Def, Parser, Pattern, Term},
        span,
    },
    ops::Math,
    path::{Part, Path},
};

use super::{error::JqFault, names};

/// Bytes of a filter's text: far beyond what a person writes into a definition.
const TEXT_MAX: usize = 4_096;
/// Tokens of a filter: they bound its depth, and so the stack that parsing and running it need.
const TOKENS_MAX: usize = 256;
/// Signs and words that open another level without a bracket (`-`, `try`), for the same reason:
/// each costs several calls.
const PREFIXES_MAX: usize = 32;
/// Brackets open at once; the same reason, before there are tokens.
const BRACKETS_MAX: usize = 64;

/// The own filter that stands for `*`, because jaq's would repeat a text without bound.
pub(super) const TIMES: &str = "hayloft_times";

/// A filter that may be run, and what it uses.
pub(super) struct Checked<'s> {
    pub term: Term<&'s str>,
    pub used: Vec<String>,
    pub env: Vec<String>,
    pub this: Vec<String>,
}

/// Variables that are objects of named values, of which only members may be used: what is used is
/// then known beforehand.
const OBJECTS: &[(&str, &str)] = &[
    ("env", "write the name of one variable: $env.NAME"),
    ("this", "write the name of one field: $this.id"),
];

/// Parses and checks a filter.
pub(super) fn check<'s>(text: &'s str, variables: &[&str]) -> Result<Checked<'s>, JqFault> {
    let term = parse(text)?;
    let mut checker = Checker {
        text,
        variables,
        bound: Vec::new(),
        defined: Vec::new(),
        used: Vec::new(),
        env: Vec::new(),
        this: Vec::new(),
    };
    let term = checker.term(term)?;
    Ok(Checked {
        term,
        used: checker.used,
        env: checker.env,
        this: checker.this,
    })
}

fn parse(text: &str) -> Result<Term<&str>, JqFault> {
    let fault = |message: String, at| JqFault { message, at: Some(at) };
    if text.len() > TEXT_MAX {
        return Err(fault(format!("a filter has at most {TEXT_MAX} bytes"), 0));
    }
    if let Some(at) = too_deep(text) {
        return Err(fault(format!("more than {BRACKETS_MAX} brackets are open"), at));
    }
    let tokens = Lexer::new(text).lex().map_err(|errors| match errors.first() {
        Some((expected, rest)) => fault(format!("expected {}", expected.as_str()), span(text, rest).start),
        None => fault("this is not jq".to_owned(), 0),
    })?;
    if count(&tokens, |_| true) > TOKENS_MAX {
        return Err(fault(format!("a filter has at most {TOKENS_MAX} words and signs"), 0));
    }
    if count(&tokens, |text| matches!(text, "-" | "try")) > PREFIXES_MAX {
        return Err(fault(format!("a filter has at most {PREFIXES_MAX} `-` and `try`"), 0));
    }
    Parser::new(&tokens)
        .parse(|parser| parser.term())
        .map_err(|errors| match errors.first() {
            Some((expected, Some(Token(found, _)))) => fault(
                format!("expected {}, found `{}`", expected.as_str(), beginning(found)),
                span(text, found).start,
            ),
            Some((expected, None)) => fault(format!("expected {} at the end", expected.as_str()), text.len()),
            None => fault("this is not jq".to_owned(), 0),
        })
}

/// A block token holds all its text; its bracket says enough.
fn beginning(found: &str) -> &str {
    match found.as_bytes().first() {
        Some(b'(' | b'[' | b'{' | b'"') => &found[..1],
        _ => found,
    }
}

/// The place of the first bracket too many. Brackets in texts are counted too, which only makes it
/// stricter.
fn too_deep(text: &str) -> Option<usize> {
    let mut open = 0usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' | b'[' | b'{' => open += 1,
            b')' | b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        if open > BRACKETS_MAX {
            return Some(at);
        }
    }
    None
}

/// The tokens, at any depth, whose text satisfies a test.
fn count(tokens: &[Token<&str>], test: fn(&str) -> bool) -> usize {
    let inner = |token: &Token<&str>| match &token.1 {
        Tok::Block(tokens) => count(tokens, test),
        Tok::Str(parts) => parts
            .iter()
            .map(|part| match part {
                StrPart::Term(Token(_, Tok::Block(tokens))) => count(tokens, test),
                _ => 0,
            })
            .sum(),
        _ => 0,
    };
    tokens
        .iter()
        .map(|token| usize::from(test(token.0)) + inner(token))
        .sum()
}

struct Checker<'s, 'v> {
    text: &'s str,
    variables: &'v [&'v str],
    /// Variables bound by `as`, innermost last, with their `$`.
    bound: Vec<&'s str>,
    /// Own definitions in scope, innermost last: name, arguments, whether its body is being read.
    defined: Vec<(&'s str, usize, bool)>,
    used: Vec<String>,
    /// Members of `$env` and `$this`.
    env: Vec<String>,
    this: Vec<String>,
}

type Checks<T> = Result<T, JqFault>;

impl<'s> Checker<'s, '_> {
    fn fault<T>(&self, part: &str, message: impl Into<String>) -> Checks<T> {
        let inside = self.text.as_bytes().as_ptr_range().contains(&part.as_ptr());
        Err(JqFault {
            message: message.into(),
            at: inside.then(|| span(self.text, part).start),
        })
    }

    fn term(&mut self, term: Term<&'s str>) -> Checks<Term<&'s str>> {
        Ok(match term {
            Term::Id | Term::Recurse | Term::Num(_) | Term::Break(_) => term,
            Term::Str(format, parts) => {
                if let Some(name) = format {
                    self.call(name, 0)?;
                }
                Term::Str(format, self.parts(parts)?)
            }
            Term::Arr(inner) => Term::Arr(inner.map(|inner| self.boxed(*inner)).transpose()?),
            Term::Obj(entries) => Term::Obj(self.each(entries, |checker, (key, value)| {
                Ok((checker.term(key)?, value.map(|value| checker.term(value)).transpose()?))
            })?),
            Term::Neg(inner) => Term::Neg(self.boxed(*inner)?),
            Term::BinOp(left, operator, right) => self.operation(*left, operator, *right)?,
            Term::Label(name, inner) => Term::Label(name, self.boxed(*inner)?),
            Term::Fold(word, ..) => {
                return self.fault(
                    word,
                    format!("`{word}` can build values without bound and is not allowed; use add, map, from_entries or group_by"),
                );
            }
            Term::TryCatch(inner, catch) => {
                Term::TryCatch(self.boxed(*inner)?, catch.map(|catch| self.boxed(*catch)).transpose()?)
            }
            Term::IfThenElse(branches, otherwise) => Term::IfThenElse(
                self.each(branches, |checker, (condition, then)| {
                    Ok((checker.term(condition)?, checker.term(then)?))
                })?,
                otherwise.map(|otherwise| self.boxed(*otherwise)).transpose()?,
            ),
            Term::Def(definitions, inner) => self.definitions(definitions, *inner)?,
            Term::Call(name, arguments) => {
                self.call(name, arguments.len())?;
                Term::Call(name, self.each(arguments, Self::term)?)
            }
            Term::Var(name) => {
                self.variable(name)?;
                Term::Var(name)
            }
            Term::Path(head, path) => self.path(*head, path)?,
        })
    }

    fn boxed(&mut self, term: Term<&'s str>) -> Checks<Box<Term<&'s str>>> {
        self.term(term).map(Box::new)
    }

    fn each<A, B>(&mut self, items: Vec<A>, mut check: impl FnMut(&mut Self, A) -> Checks<B>) -> Checks<Vec<B>> {
        items.into_iter().map(|item| check(self, item)).collect()
    }

    fn parts(&mut self, parts: Vec<StrPart<&'s str, Term<&'s str>>>) -> Checks<Vec<StrPart<&'s str, Term<&'s str>>>> {
        self.each(parts, |checker, part| {
            Ok(match part {
                StrPart::Term(term) => StrPart::Term(checker.term(term)?),
                other => other,
            })
        })
    }

    fn operation(
        &mut self,
        left: Term<&'s str>,
        operator: BinaryOp<&'s str>,
        right: Term<&'s str>,
    ) -> Checks<Term<&'s str>> {
        let updates = matches!(
            operator,
            BinaryOp::Assign | BinaryOp::Update | BinaryOp::UpdateMath(_) | BinaryOp::UpdateAlt
        );
        if updates && recurses(&left) {
            return self.fault(self.text, "an update of `..` is not allowed: it can grow without bound");
        }
        if matches!(operator, BinaryOp::UpdateMath(Math::Mul)) {
            return self.fault(self.text, "`*=` is not allowed; write `|= . * …`");
        }
        let left = self.term(left)?;
        let scope = self.bound.len();
        let operator = match operator {
            BinaryOp::Pipe(Some(pattern)) => {
                let pattern = self.pattern(pattern)?;
                BinaryOp::Pipe(Some(pattern))
            }
            other => other,
        };
        let right = self.term(right)?;
        self.bound.truncate(scope);
        Ok(match operator {
            BinaryOp::Math(Math::Mul) => Term::Call(TIMES, vec![left, right]),
            other => Term::BinOp(Box::new(left), other, Box::new(right)),
        })
    }

    fn pattern(&mut self, pattern: Pattern<&'s str>) -> Checks<Pattern<&'s str>> {
        Ok(match pattern {
            Pattern::Var(name) => {
                self.bound.push(name);
                Pattern::Var(name)
            }
            Pattern::Arr(items) => Pattern::Arr(self.each(items, Self::pattern)?),
            Pattern::Obj(entries) => Pattern::Obj(self.each(entries, |checker, (key, value)| {
                Ok((checker.term(key)?, checker.pattern(value)?))
            })?),
        })
    }

    fn definitions(&mut self, definitions: Vec<Def<&'s str>>, inner: Term<&'s str>) -> Checks<Term<&'s str>> {
        let scope = self.defined.len();
        let mut checked = Vec::with_capacity(definitions.len());
        for Def { name, args, body } in definitions {
            self.defined.push((name, args.len(), true));
            let own = self.defined.len();
            let bound = self.bound.len();
            for argument in &args {
                self.defined.push((argument.trim_start_matches('$'), 0, false));
                if argument.starts_with('$') {
                    self.bound.push(argument);
                }
            }
            let body = self.term(body)?;
            self.defined.truncate(own);
            self.bound.truncate(bound);
            if let Some(definition) = self.defined.last_mut() {
                definition.2 = false;
            }
            checked.push(Def { name, args, body });
        }
        let inner = self.term(inner)?;
        self.defined.truncate(scope);
        Ok(Term::Def(checked, Box::new(inner)))
    }

    fn call(&self, name: &'s str, arguments: usize) -> Checks<()> {
        let own = self.defined.iter().rev();
        match own
            .into_iter()
            .find(|(own, count, _)| *own == name && *count == arguments)
        {
            Some((_, _, true)) => self.fault(
                name,
                format!("`{name}` calls itself; recursive definitions are not allowed"),
            ),
            Some(_) => Ok(()),
            None => match names::refusal(name, arguments) {
                Some(message) => self.fault(name, message),
                None => Ok(()),
            },
        }
    }

    fn variable(&mut self, name: &'s str) -> Checks<()> {
        if self.bound.contains(&name) {
            return Ok(());
        }
        let plain = name.trim_start_matches('$');
        let object = OBJECTS.iter().find(|(object, _)| *object == plain);
        if let Some((_, help)) = object.filter(|_| self.variables.contains(&plain)) {
            return self.fault(name, *help);
        }
        if !self.variables.contains(&plain) {
            let known: Vec<String> = self.variables.iter().map(|known| format!("${known}")).collect();
            let known = if known.is_empty() {
                "none can be used here".to_owned()
            } else {
                format!("here are {}", known.join(", "))
            };
            return self.fault(name, format!("there is no variable {name}: {known}"));
        }
        note(&mut self.used, plain);
        Ok(())
    }

    fn path(&mut self, head: Term<&'s str>, path: Path<Term<&'s str>>) -> Checks<Term<&'s str>> {
        let head = match self.member(&head, &path) {
            Some((object, name)) => {
                note(&mut self.used, object);
                note(if object == "env" { &mut self.env } else { &mut self.this }, name);
                head
            }
            None => self.term(head)?,
        };
        let parts = self.each(path.0, |checker, (part, optional)| {
            let part = match part {
                Part::Index(index) => Part::Index(checker.term(index)?),
                Part::Range(from, to) => Part::Range(
                    from.map(|from| checker.term(from)).transpose()?,
                    to.map(|to| checker.term(to)).transpose()?,
                ),
            };
            Ok((part, optional))
        })?;
        Ok(Term::Path(Box::new(head), Path(parts)))
    }

    /// `$env.NAME` and `$this.name`, with a name that is written out.
    fn member(&self, head: &Term<&'s str>, path: &Path<Term<&'s str>>) -> Option<(&'static str, &'s str)> {
        let (Term::Var(variable), Some((Part::Index(Term::Str(None, parts)), _))) = (head, path.0.first()) else {
            return None;
        };
        let plain = variable.trim_start_matches('$');
        let (object, _) = OBJECTS.iter().find(|(object, _)| *object == plain)?;
        let here = self.variables.contains(object) && !self.bound.contains(variable);
        match &parts[..] {
            [StrPart::Str(name)] if here => Some((object, name)),
            _ => None,
        }
    }
}

fn note(names: &mut Vec<String>, name: &str) {
    if !names.iter().any(|known| known == name) {
        names.push(name.to_owned());
    }
}

/// Whether `..` or `recurse` occurs as a path in the left side of an update.
fn recurses(term: &Term<&str>) -> bool {
    match term {
        Term::Recurse => true,
        Term::Call(name, arguments) => matches!(*name, "recurse" | "paths") || arguments.iter().any(recurses),
        Term::BinOp(left, _, right) => recurses(left) || recurses(right),
        Term::Path(head, path) => {
            recurses(head)
                || path.0.iter().any(|(part, _)| match part {
                    Part::Index(index) => recurses(index),
                    Part::Range(from, to) => [from, to].into_iter().flatten().any(recurses),
                })
        }
        Term::TryCatch(inner, catch) => recurses(inner) || catch.as_deref().is_some_and(recurses),
        Term::IfThenElse(branches, otherwise) => {
            branches.iter().any(|(_, then)| recurses(then)) || otherwise.as_deref().is_some_and(recurses)
        }
        Term::Label(_, inner) | Term::Def(_, inner) => recurses(inner),
        _ => false,
    }
}
