'use strict';
// The session layer of the old server and nothing else: express-session and connect-pg-simple, set up as it sets them up.
// A request says in its body what to do with the session; the answer shows the session as the server sees it.
//
// Arguments: a JSON object { url, secret, createTable, zone }. Writes its port when it listens; ends with its standard input.

const http = require('node:http');
const { Pool } = require('pg');
const session = require('express-session');
const cookieSignature = require('cookie-signature');
const PgStore = require('connect-pg-simple')(session);

const { url, secret, createTable, zone } = JSON.parse(process.argv[2]);
const WEEK_MS = 7 * 24 * 60 * 60 * 1000;

const store = new PgStore({
  pool: new Pool({ connectionString: url, options: `-c timezone=${zone}` }),
  tableName: 'sessions',
  createTableIfMissing: createTable,
  // The old server passes milliseconds where the library takes seconds.
  ttl: WEEK_MS,
  pruneSessionInterval: false,
});

const withSession = session({
  secret,
  store,
  resave: false,
  saveUninitialized: false,
  proxy: true,
  cookie: { httpOnly: true, secure: true, sameSite: 'none', maxAge: WEEK_MS },
});

const actions = {
  read() {},
  set(request, { values }) {
    Object.assign(request.session, values);
  },
  remove(request, { name }) {
    delete request.session[name];
  },
  regenerate(request, { values }) {
    return promised((done) => request.session.regenerate(done)).then(() => Object.assign(request.session, values));
  },
  destroy(request) {
    return promised((done) => request.session.destroy(done));
  },
  prune() {
    return promised((done) => store.pruneSessions(done));
  },
};

// Nobody but JavaScript can read halves of surrogate pairs.
function wellFormed(name, value) {
  return typeof value === 'string' ? value.toWellFormed() : value;
}

function promised(call) {
  return new Promise((resolve, reject) => call((error) => (error ? reject(error) : resolve())));
}

async function body(request) {
  let text = '';
  for await (const chunk of request) text += chunk;
  return JSON.parse(text);
}

const server = http.createServer(async (request, response) => {
  try {
    const wanted = await body(request);
    if (wanted.do === 'sign') {
      response.end(JSON.stringify(cookieSignature.sign(wanted.value, wanted.secret)));
      return;
    }
    await promised((done) => withSession(request, response, done));
    await actions[wanted.do](request, wanted);
    const shown = request.session && { ...request.session, cookie: request.session.cookie.toJSON() };
    response.end(JSON.stringify({ sid: request.sessionID, session: shown ?? null }, wellFormed));
  } catch (error) {
    response.statusCode = 500;
    response.end(JSON.stringify({ error: String(error) }));
  }
});

server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
