-- What a user of Neovim does with the showcase; each step's result is a line of the record, written as JSON.
local record = {}
local folder = vim.env.SHOWCASE

local function note(step, result)
  table.insert(record, vim.fn.json_encode({ step = step, result = result }))
end

local function wait(what, done)
  if not vim.wait(60000, done, 50) then
    note(what, "nothing happened in time")
    vim.fn.writefile(record, vim.env.RECORD)
    vim.cmd("cquit")
  end
end

local function shown()
  local lines = {}
  for _, found in ipairs(vim.diagnostic.get(0)) do
    local place = ("%d:%d-%d:%d"):format(found.lnum + 1, found.col + 1, found.end_lnum + 1, found.end_col + 1)
    table.insert(lines, ("%s %s %s"):format(place, found.code, vim.split(found.message, "\n")[1]))
  end
  table.sort(lines)
  return lines
end

local function reports(rule)
  for _, line in ipairs(shown()) do
    if line:find(rule, 1, true) then
      return true
    end
  end
  return false
end

local function ask(method, params)
  local answers = vim.lsp.buf_request_sync(0, method, params, 60000)
  for _, answer in pairs(answers or {}) do
    return answer.result
  end
end

local function at(line, column)
  vim.api.nvim_win_set_cursor(0, { line, column - 1 })
  return vim.lsp.util.make_position_params()
end

vim.cmd("edit " .. folder .. "/sites-enabled/shop.conf")
vim.bo.filetype = "nginx"
wait("open", function() return #shown() > 0 end)
note("open", shown())

note("hover on ssl_protocols", vim.split(ask("textDocument/hover", at(5, 6)).contents.value, "\n"))
note("hover on ssl_certificate", vim.split(ask("textDocument/hover", at(6, 6)).contents.value, "\n"))

local target = ask("textDocument/definition", at(11, 28))[1]
note("definition of the upstream", { vim.fn.fnamemodify(vim.uri_to_fname(target.uri), ":t"), target.range.start.line + 1 })

-- An emoji counts for two in UTF-16 and four bytes in the buffer.
vim.api.nvim_buf_set_lines(0, 7, 8, false, { "    set $x '😀'; ssl_stapling on;" })
wait("typed", function() return reports("8:20-") end)
note("typed an emoji before ssl_stapling", shown())

-- codeAction as the command of Neovim sends it; 0.7 has no way to choose without a dialog.
local params = vim.lsp.util.make_given_range_params({ 8, 0 }, { 8, 30 })
params.context = { diagnostics = {} }
local titles = {}
for _, action in ipairs(ask("textDocument/codeAction", params)) do
  table.insert(titles, action.title)
  if action.title == "remove `ssl_stapling`" then
    vim.lsp.util.apply_workspace_edit(action.edit, "utf-16")
  end
end
note("code actions", titles)
wait("fixed", function() return not reports("stapling-without-responder") end)
note("after the fix", vim.api.nvim_buf_get_lines(0, 6, 9, false))

vim.api.nvim_buf_set_lines(0, 4, 5, false, { "    ssl_protocols " })
params = at(5, 18)
params.position.character = 18 -- after the line's end, where only insert mode can be
local labels = {}
for _, item in ipairs(ask("textDocument/completion", params).items) do
  table.insert(labels, item.label)
end
note("completion of ssl_protocols", labels)

vim.api.nvim_buf_set_lines(0, 0, -1, false, { "server {", "  listen 443 ssl" })
wait("broken", function() return reports("syntax") end)
note("broken", shown())

vim.fn.writefile(record, vim.env.RECORD)
vim.cmd("qall!")
