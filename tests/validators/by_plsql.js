// Oracle, by the ANTLR grammar for PL/SQL: SQL statements and blocks, and what a block's
// EXECUTE IMMEDIATE says where that is one string literal. Speaks as protocol.py has it.

const fs = require("fs");
const { antlr4tsSQL, ParseTreeWalker, SQLDialect } = require("antlr4ts-sql");

const sql = new antlr4tsSQL(SQLDialect.PLSQL);

// The text of a string literal, or null where the expression is more than one.
function unquoted(expression) {
  const plain = /^N?'((?:[^']|'')*)'$/i.exec(expression);
  if (plain) return plain[1].replaceAll("''", "'");
  const alternative = /^N?Q'(.)([^]*)(.)'$/i.exec(expression);
  if (!alternative) return null;
  const [, open, text, close] = alternative;
  return close === ({ "[": "]", "{": "}", "(": ")", "<": ">" }[open] ?? open) ? text : null;
}

// The first error in a statement, or null.
function errorIn(statement) {
  let error = null;
  const inner = [];
  const onError = {
    syntaxError: (_recognizer, _symbol, line, column, message) => (error ??= `${line}:${column + 1} ${message}`),
  };
  const text = /;\s*$/.test(statement) ? statement : `${statement};`;
  const tree = sql.getParser(sql.getTokens(text, [onError]), [onError]).sql_script();
  ParseTreeWalker.DEFAULT.walk(
    {
      enterExecute_immediate(context) {
        const { start, stop } = context.expression();
        const literal = unquoted(text.slice(start.startIndex, stop.stopIndex + 1));
        if (literal !== null) inner.push(literal);
      },
    },
    tree,
  );
  for (const literal of inner) {
    const innerError = errorIn(literal);
    error ??= innerError && `in EXECUTE IMMEDIATE: ${innerError}`;
  }
  return error;
}

const verdicts = JSON.parse(fs.readFileSync(0, "utf8")).map((statement) => {
  const error = errorIn(statement);
  return { verdict: error === null ? "accept" : "refuse", error };
});
process.stdout.write(JSON.stringify(verdicts));
