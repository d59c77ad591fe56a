//! How long and how deep the SQL of one file may be. Everything behind this file walks expressions by recursion, so the
//! bound is on the tokens, before anything is parsed; a person writes far less.

use crate::problem::Problem;
use datafusion::sql::sqlparser::dialect::Dialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

/// Longest file, in bytes.
pub(crate) const FILE_BYTES_MAX: usize = 1024 * 1024;
/// Most tokens of a file: an IN list of 20,000 values fits.
const TOKENS_MAX: usize = 60_000;
/// Most levels of parentheses and CASE inside each other.
const NESTING_MAX: usize = 48;
/// Most operators between two leaves of an expression and its root.
const DEPTH_MAX: usize = 200;
/// Most operators of a file besides AND and OR: DataFusion asks for the types below each of them again and again.
const OPERATORS_MAX: usize = 4_000;
/// Most SELECTs of a file.
const SELECTS_MAX: usize = 64;

const CHAIN_HINT: &str =
    "write a list of values as `x IN ('a', 'b', ..)`, or split the expression into an inner SELECT";

/// One level of parentheses or of CASE. Depths are counted from above: no operand may be deeper than they say.
#[derive(Default)]
struct Level {
    /// Operators of the term that is read, and of the longest one so far.
    operators: usize,
    term: usize,
    /// AND and OR between the terms.
    joints: usize,
    /// Deepest operand in parentheses of the expression that is read.
    operand: usize,
    /// Deepest expression that is done.
    done: usize,
}

impl Level {
    fn depth(&self) -> usize {
        self.joints + self.operators.max(self.term) + self.operand
    }

    fn next_term(&mut self) {
        self.term = self.term.max(self.operators);
        self.operators = 0;
        self.joints += 1;
    }

    fn next_expression(&mut self) {
        *self = Level { done: self.done.max(self.depth()), ..Level::default() };
    }
}

/// The bounds of a rule's file, for any text that DataFusion is to see.
///
/// # Errors
/// With the place where it became too long or too deep, or where it holds no token.
pub fn check_bounds(text: &str, dialect: &dyn Dialect) -> Result<(), Problem> {
    let tokens = Tokenizer::new(dialect, text).tokenize_with_location();
    let tokens = tokens.map_err(|e| Problem::at((e.location.line, e.location.column), e.message, ""))?;
    check(&tokens)
}

/// Refuses what is too long or too deep, with the place where it became so.
pub(super) fn check(tokens: &[TokenWithSpan]) -> Result<(), Problem> {
    let mut levels = vec![Level::default()];
    let (mut count, mut selects, mut operators) = (0, 0, 0);
    for token in tokens {
        let at = place(token.span.start);
        if matches!(token.token, Token::Whitespace(_)) {
            continue;
        }
        count += 1;
        if count > TOKENS_MAX {
            return Err(Problem::at(at, format!("the file has more than {TOKENS_MAX} words and signs"), CHAIN_HINT));
        }
        selects += usize::from(keyword(&token.token) == Keyword::SELECT);
        if selects > SELECTS_MAX {
            let hint = "split the rule, or the view";
            return Err(Problem::at(at, format!("the file has more than {SELECTS_MAX} SELECTs"), hint));
        }
        operators += usize::from(read(&token.token, &mut levels));
        if operators > OPERATORS_MAX {
            return Err(Problem::at(at, format!("the file has more than {OPERATORS_MAX} operators"), CHAIN_HINT));
        }
        if levels.len() > NESTING_MAX {
            let message = format!("parentheses and CASE are nested more than {NESTING_MAX} deep");
            return Err(Problem::at(at, message, "split the expression into an inner SELECT"));
        }
        if levels.last().is_some_and(|level| level.depth() > DEPTH_MAX) {
            let message = format!("an expression joins more than {DEPTH_MAX} operators");
            return Err(Problem::at(at, message, CHAIN_HINT));
        }
    }
    Ok(())
}

/// Is it an operator?
fn read(token: &Token, levels: &mut Vec<Level>) -> bool {
    let Some(level) = levels.last_mut() else { return false };
    match token {
        Token::LParen | Token::LBracket | Token::LBrace => levels.push(Level::default()),
        Token::RParen | Token::RBracket | Token::RBrace => close(levels),
        Token::Comma | Token::SemiColon => level.next_expression(),
        Token::Number(..) | Token::SingleQuotedString(_) | Token::Period => {}
        Token::Word(_) => match keyword(token) {
            Keyword::NoKeyword => {}
            Keyword::CASE => levels.push(Level::default()),
            Keyword::END => close(levels),
            Keyword::AND | Keyword::OR => level.next_term(),
            Keyword::WHEN
            | Keyword::THEN
            | Keyword::ELSE
            | Keyword::SELECT
            | Keyword::FROM
            | Keyword::WHERE
            | Keyword::WINDOW
            | Keyword::QUALIFY
            | Keyword::UNION => level.next_expression(),
            // Most stand between the parts of a clause; NOT, IS and the like are operators.
            _ => level.operators += 1,
        },
        _ => {
            level.operators += 1;
            return true;
        }
    }
    false
}

fn close(levels: &mut Vec<Level>) {
    if levels.len() < 2 {
        return;
    }
    let Some(mut inner) = levels.pop() else { return };
    inner.next_expression();
    if let Some(outer) = levels.last_mut() {
        outer.operand = outer.operand.max(inner.done + 1);
    }
}

fn keyword(token: &Token) -> Keyword {
    match token {
        Token::Word(word) if word.quote_style.is_none() => word.keyword,
        _ => Keyword::NoKeyword,
    }
}

pub(super) fn place(at: Location) -> (u64, u64) {
    (at.line.max(1), at.column.max(1))
}
