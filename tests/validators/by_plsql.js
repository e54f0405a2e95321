// Oracle, by the ANTLR grammar for PL/SQL: one SQL statement, without a semicolon, or one block, with its own.
// What a block's EXECUTE IMMEDIATE says is judged too, where it is one string literal. Speaks as protocol.py has it.

const fs = require("fs");
const { antlr4tsSQL, ParseTreeWalker, SQLDialect } = require("antlr4ts-sql");

const plsql = new antlr4tsSQL(SQLDialect.PLSQL);
const BLOCK = /^(\s|--.*\n|\/\*[^]*?\*\/)*(DECLARE|BEGIN)\b/i;
const CLOSING = { "[": "]", "{": "}", "(": ")", "<": ">" };

// The text of a string literal, or null where the expression is more than one.
function unquoted(expression) {
  const plain = /^N?'((?:[^']|'')*)'$/i.exec(expression);
  if (plain) return plain[1].replaceAll("''", "'");
  const alternative = /^N?Q'(.)([^]*)(.)'$/i.exec(expression);
  if (!alternative) return null;
  const [, opening, text, closing] = alternative;
  return closing === (CLOSING[opening] ?? opening) ? text : null;
}

// The first error in a statement, or null.
function errorIn(statement) {
  const block = BLOCK.test(statement);
  if (!block && /;\s*$/.test(statement)) return "ends with a semicolon";
  const text = block ? statement : `${statement}\n;`;
  const source = (first, last) => text.slice(first.startIndex, last.stopIndex + 1);
  const errors = [];
  const listener = {
    syntaxError(_recognizer, token, line, column, message) {
      const what = token ? `near '${source(token, token)}'` : message;
      errors.push(`${line}:${column + 1} ${what}`);
    },
  };
  const tree = plsql.getParser(plsql.getTokens(text, [listener]), [listener]).sql_script();
  if (tree.unit_statement().length !== 1) errors.push("not one statement");
  const walker = {
    enterExecute_immediate(context) {
      const { start, stop } = context.expression();
      const literal = unquoted(source(start, stop));
      const error = literal === null ? null : errorIn(literal);
      if (error !== null) errors.push(`in EXECUTE IMMEDIATE: ${error}`);
    },
  };
  if (errors.length === 0) ParseTreeWalker.DEFAULT.walk(walker, tree);
  return errors[0] ?? null;
}

const verdicts = JSON.parse(fs.readFileSync(0, "utf8")).map((entry) => {
  const error = errorIn(entry.sql);
  return { verdict: error === null ? "accept" : "refuse", error };
});
process.stdout.write(JSON.stringify(verdicts));
