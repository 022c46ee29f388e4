// One HTTPS request for each line "PORT NAME CA" of standard input ("-" for none); prints "ok" or the error.
var https = require('https'), tls = require('tls'), fs = require('fs'), readline = require('readline');
var lines = [], busy = false;
function next() {
  if (busy || !lines.length) return;
  busy = true;
  var words = lines.shift().split(' '), done = false;
  function say(text) { if (done) return; done = true; busy = false; console.log(String(text).replace(/\s+/g, ' ')); next(); }
  var options = { host: '127.0.0.1', port: +words[0], path: '/', agent: false, rejectUnauthorized: words[2] !== '-' };
  if (words[1] !== '-') { options.servername = words[1]; options.headers = { host: words[1] }; }
  if (words[2] !== '-') {
    options.ca = [fs.readFileSync(words[2])];
    options.checkServerIdentity = function (host, cert) { return tls.checkServerIdentity(words[1], cert); };
  }
  try {
    var request = https.get(options, function (response) { response.on('data', function () {}); response.on('end', function () { say('ok'); }); });
    request.on('error', function (error) { say(error.code || error.message); });
    request.setTimeout(8000, function () { say('timeout'); });
  } catch (error) { say(error.message); }
}
readline.createInterface({ input: process.stdin, output: null, terminal: false }).on('line', function (line) { lines.push(line); next(); });
