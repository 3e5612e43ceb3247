<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Log of the prediction service</title>
<style>
:root { color-scheme: light dark; font: 15px/1.45 system-ui, sans-serif; --line: #8884; }
body { margin: 1rem auto; max-width: 90rem; padding: 0 1rem; }
h1 { font-size: 1.25rem; }
form { display: flex; flex-wrap: wrap; gap: .75rem; align-items: end; margin-bottom: 1rem; }
label { display: grid; font-size: .8rem; gap: .15rem; }
input, select, button { font: inherit; padding: .25rem .5rem; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .6rem; text-align: left; vertical-align: top; }
td { font: 13px/1.5 ui-monospace, monospace; overflow-wrap: anywhere; }
td.at, td.level { white-space: nowrap; }
pre { margin: .3rem 0 0; white-space: pre-wrap; }
.DEBUG { opacity: .65; }
.WARNING .level { color: light-dark(#8a5a00, #ffc043); font-weight: 600; }
.ERROR .level, .CRITICAL .level { color: light-dark(#b00020, #ff7b86); font-weight: 600; }
</style>
</head>
<body>
<h1>Log of the prediction service</h1>
<form action="/logs" method="get">
<label>Minimum level
<select name="level"><option value="">any</option>
% for name in levels:
<option{{!' selected' if name == asked.get('level', '').upper() else ''}}>{{name}}</option>
% end
</select></label>
<label>Reads
<select name="reads"><option value="">shown</option>
<option value="no"{{!' selected' if asked.get('reads') == 'no' else ''}}>left out</option></select></label>
% fields = (
%   ('q', 'Contains'), ('request_id', 'Request ID'), ('since', 'Since (UTC time)'),
%   ('before', 'Before (UTC time or row)'), ('limit', 'Rows'))
% for name, title in fields:
<label>{{title}}<input name="{{name}}" value="{{asked.get(name, '')}}"></label>
% end
<button>Show</button> <a href="/logs">Newest</a>
</form>
<table>
<thead><tr><th>Time (UTC)</th><th>Level</th><th>Logger</th><th>Message</th><th>Request ID</th></tr></thead>
<tbody>
% for row in rows:
<tr class="{{row.level}}">
<td class="at">{{row.at}}</td><td class="level">{{row.level}}</td><td>{{row.logger}}</td>
<td>{{row.message}}
% if row.exception:
<pre>{{row.exception}}</pre>
% end
</td>
<td>
% if row.request_id:
<a href="{{!link({'request_id': row.request_id})}}">{{row.request_id}}</a>
% end
</td></tr>
% end
</tbody>
</table>
% if not rows:
<p>No log rows match.</p>
% end
% if older:
<p><a href="{{!older}}">Older rows</a></p>
% end
</body>
</html>
